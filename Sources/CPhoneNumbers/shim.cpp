#include "phonenumbers_shim.h"

#include <cstring>
#include <string>

#include <phonenumbers/phonenumberutil.h>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

extern "C" int daybook_phone_e164(const char *raw, const char *region, char *output, int capacity) {
  const PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
  PhoneNumber number;
  if (util->Parse(raw, region, &number) != PhoneNumberUtil::NO_PARSING_ERROR) return 0;
  if (!util->IsPossibleNumber(number)) return 0;
  std::string formatted;
  util->Format(number, PhoneNumberUtil::E164, &formatted);
  if (static_cast<int>(formatted.size()) + 1 > capacity) return 0;
  std::memcpy(output, formatted.c_str(), formatted.size() + 1);
  return static_cast<int>(formatted.size());
}

extern "C" int daybook_phone_region(const char *number, char *output, int capacity) {
  const PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
  PhoneNumber parsed;
  if (util->Parse(number, "ZZ", &parsed) != PhoneNumberUtil::NO_PARSING_ERROR) return 0;
  std::string region;
  util->GetRegionCodeForNumber(parsed, &region);
  if (region.empty() || region == "ZZ") return 0;
  if (static_cast<int>(region.size()) + 1 > capacity) return 0;
  std::memcpy(output, region.c_str(), region.size() + 1);
  return static_cast<int>(region.size());
}
