#ifndef DAYBOOK_PHONENUMBERS_SHIM_H
#define DAYBOOK_PHONENUMBERS_SHIM_H

#ifdef __cplusplus
extern "C" {
#endif

enum daybook_phone_status {
  daybook_phone_ok = 0,
  daybook_phone_no_number = 1,
  daybook_phone_unknown_country = 2,
  daybook_phone_too_short = 3,
  daybook_phone_too_long = 4,
  /// Right within its place only: a number without its area code.
  daybook_phone_local_only = 5,
};

struct daybook_phone {
  /// E.164 with a closing zero: a plus, at most 15 digits by the standard, 17 as libphonenumber has it.
  char e164[24];
  /// Whether the number's range is in use, as far as the library's data of 2022 know.
  int is_assigned;
  int has_extension;
};

/// Reads `raw` as dialled in `region` (ISO 3166, "US"). Fills `phone` where it returns `daybook_phone_ok`.
int daybook_phone_parse(const char *raw, const char *region, struct daybook_phone *phone);

/// Writes the ISO 3166 code of the country of an E.164 number, with a closing zero. Returns its length,
/// or 0 where none is known.
int daybook_phone_region(const char *number, char *output, int capacity);

/// Writes the ISO 3166 codes of all countries that share the calling code of an E.164 number, with
/// commas between and a closing zero. Returns the length, or 0 where there are none.
int daybook_phone_calling_code_regions(const char *number, char *output, int capacity);

#ifdef __cplusplus
}
#endif

#endif
