import Foundation

/// What columns are called: by people, by other programs and in a few languages.
enum ColumnNames {
  /// The field that a column of this name is likely to hold; nil for none that is known.
  static func field(of name: String) -> String? {
    let letters = plain(name)
    // Exports count their columns: `phone1`, `Email 2`, `E-mail 1 - Value`.
    let bare = letters.filter { !$0.isNumber }
    return table[bare] ?? (bare.hasSuffix("value") ? table[String(bare.dropLast(5))] : nil)
  }

  /// Whether a phone column is one that can surely be texted.
  static func isMobile(_ name: String) -> Bool {
    mobiles.contains(plain(name).filter { !$0.isNumber })
  }

  /// `First Name`, `firstName` and `FIRST-NAME` are `first_name`. At most 100 bytes of a-z, 0-9 and
  /// `_`; empty where nothing of the name is left.
  static func snake(_ name: String) -> String {
    var result = ""
    var wasLower = false
    for character in folded(name) {
      let isPlain = character.isASCII && (character.isLetter || character.isNumber)
      if (!isPlain || (character.isUppercase && wasLower)) && !result.hasSuffix("_") {
        result.append("_")
      }
      if isPlain { result += character.lowercased() }
      wasLower = character.isLowercase
    }
    let trimmed = result.split(separator: "_", omittingEmptySubsequences: true)
    return String(trimmed.joined(separator: "_").prefix(100))
  }

  /// Letters and digits only, in lower case and without accents.
  private static func plain(_ name: String) -> String {
    folded(name).lowercased().filter { $0.isLetter || $0.isNumber }
  }

  /// Foundation knows what an accent is; the standard library does not.
  private static func folded(_ name: String) -> String {
    name.folding(options: .diacriticInsensitive, locale: nil).replacing("ß", with: "ss")
  }

  private static let mobiles: Set<String> = [
    "mobile", "mobilephone", "mobilenumber", "mobilephonenumber", "cell", "cellphone",
    "cellnumber", "cellphonenumber", "cellular", "handy", "handynummer", "mobil", "mobilnummer",
    "mobiltelefon", "portable", "celular", "movil", "sms", "smsnumber", "smsphone",
  ]

  private static let phones: Set<String> = [
    "phone", "phonenumber", "phoneno", "primaryphone", "mainphone", "contactphone", "homephone",
    "workphone", "businessphone", "officephone", "dayphone", "eveningphone", "tel", "telephone",
    "telephonenumber", "telefon", "telefonnummer", "telefono", "telefone", "rufnummer",
  ]

  private static let names: [String: [String]] = [
    "first_name": [
      "firstname", "fname", "first", "givenname", "given", "forename", "vorname", "rufname",
      "prenom", "nombre", "voornaam", "primernombre",
    ],
    "last_name": [
      "lastname", "lname", "last", "surname", "familyname", "family", "nachname", "familienname",
      "zuname", "apellido", "apellidos", "cognome", "achternaam", "nomdefamille", "secondname",
    ],
    "name": [
      "name", "fullname", "contactname", "customername", "clientname", "displayname", "leadname",
      "nombrecompleto", "vollstandigername",
    ],
    "company": [
      "company", "companyname", "organization", "organisation", "organizationname",
      "organisationname", "business", "businessname", "firma", "firmenname", "unternehmen",
      "employer", "accountname", "societe", "empresa", "azienda",
    ],
    "email": [
      "email", "emailaddress", "mail", "mailaddress", "primaryemail", "contactemail", "workemail",
      "businessemail", "personalemail", "emailadresse", "correo", "correoelectronico", "courriel",
    ],
    "tags": ["tag", "tags", "label", "labels"],
    "source": ["source", "leadsource", "contactsource"],
  ]

  private static let table: [String: String] = {
    var table: [String: String] = [:]
    for (field, spellings) in names {
      for spelling in spellings { table[spelling] = field }
    }
    for spelling in mobiles.union(phones) { table[spelling] = "phone" }
    return table
  }()
}
