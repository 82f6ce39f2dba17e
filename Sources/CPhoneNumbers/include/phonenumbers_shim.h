#ifndef DAYBOOK_PHONENUMBERS_SHIM_H
#define DAYBOOK_PHONENUMBERS_SHIM_H

#ifdef __cplusplus
extern "C" {
#endif

/// Writes the E.164 form of `raw`, read as dialled in `region` (ISO 3166, "US"), with a closing zero.
/// Returns its length, or 0 where `raw` is no valid number or `capacity` is too small.
int daybook_phone_e164(const char *raw, const char *region, char *output, int capacity);

/// Writes the ISO 3166 code of the country of an E.164 number, with a closing zero. Returns its length,
/// or 0 where none is known.
int daybook_phone_region(const char *number, char *output, int capacity);

#ifdef __cplusplus
}
#endif

#endif
