#include "phonenumbers_shim.h"

#include <cstring>
#include <list>
#include <string>

#include <phonenumbers/phonenumberutil.h>

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

namespace {

int copy(const std::string &text, char *output, int capacity) {
  if (static_cast<int>(text.size()) + 1 > capacity) return 0;
  std::memcpy(output, text.c_str(), text.size() + 1);
  return static_cast<int>(text.size());
}

int status_of(PhoneNumberUtil::ErrorType error) {
  switch (error) {
    case PhoneNumberUtil::NO_PARSING_ERROR: return daybook_phone_ok;
    case PhoneNumberUtil::INVALID_COUNTRY_CODE_ERROR: return daybook_phone_unknown_country;
    case PhoneNumberUtil::NOT_A_NUMBER: return daybook_phone_no_number;
    case PhoneNumberUtil::TOO_SHORT_AFTER_IDD:
    case PhoneNumberUtil::TOO_SHORT_NSN: return daybook_phone_too_short;
    case PhoneNumberUtil::TOO_LONG_NSN: return daybook_phone_too_long;
  }
  return daybook_phone_no_number;
}

int status_of(PhoneNumberUtil::ValidationResult result) {
  switch (result) {
    case PhoneNumberUtil::IS_POSSIBLE: return daybook_phone_ok;
    case PhoneNumberUtil::IS_POSSIBLE_LOCAL_ONLY: return daybook_phone_local_only;
    case PhoneNumberUtil::INVALID_COUNTRY_CODE: return daybook_phone_unknown_country;
    case PhoneNumberUtil::TOO_SHORT: return daybook_phone_too_short;
    case PhoneNumberUtil::TOO_LONG:
    case PhoneNumberUtil::INVALID_LENGTH: return daybook_phone_too_long;
  }
  return daybook_phone_no_number;
}

}  // namespace

extern "C" int daybook_phone_parse(
    const char *raw, const char *region, struct daybook_phone *phone) {
  const PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
  PhoneNumber number;
  int status = status_of(util->Parse(raw, region, &number));
  if (status != daybook_phone_ok) return status;
  status = status_of(util->IsPossibleNumberWithReason(number));
  if (status != daybook_phone_ok) return status;
  std::string formatted;
  util->Format(number, PhoneNumberUtil::E164, &formatted);
  if (copy(formatted, phone->e164, sizeof phone->e164) == 0) return daybook_phone_too_long;
  phone->is_assigned = util->IsValidNumber(number) ? 1 : 0;
  phone->has_extension = number.has_extension() && !number.extension().empty() ? 1 : 0;
  return daybook_phone_ok;
}

extern "C" int daybook_phone_region(const char *number, char *output, int capacity) {
  const PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
  PhoneNumber parsed;
  if (util->Parse(number, "ZZ", &parsed) != PhoneNumberUtil::NO_PARSING_ERROR) return 0;
  std::string region;
  util->GetRegionCodeForNumber(parsed, &region);
  if (region.empty() || region == "ZZ") return 0;
  return copy(region, output, capacity);
}

extern "C" int daybook_phone_calling_code_regions(
    const char *number, char *output, int capacity) {
  const PhoneNumberUtil *util = PhoneNumberUtil::GetInstance();
  PhoneNumber parsed;
  if (util->Parse(number, "ZZ", &parsed) != PhoneNumberUtil::NO_PARSING_ERROR) return 0;
  std::list<std::string> regions;
  util->GetRegionCodesForCountryCallingCode(parsed.country_code(), &regions);
  std::string joined;
  for (const std::string &region : regions) {
    if (!joined.empty()) joined += ',';
    joined += region;
  }
  return copy(joined, output, capacity);
}
