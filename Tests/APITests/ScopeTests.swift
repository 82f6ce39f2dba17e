import Application
import Domain
import Testing

@testable import API

@Suite struct ScopeTests {
  @Test func `what the built-in roles may do is what operations ask for`() {
    for (role, scopes) in Roles.builtIn {
      let unknown = Set(scopes).subtracting(ScopeInput.known)
      #expect(unknown.isEmpty, "\(role)")
    }
  }

  @Test(arguments: ["*", "contacts:read", "contacts:write", "contacts:*", "contacts:create"])
  func `a right that some operation asks for is known`(scope: String) {
    #expect(ScopeInput.known.contains(scope))
  }

  @Test(arguments: [
    "contact:read", "frogs:read", "events:write", "events:create", "contacts:", ":read", "**", "",
  ])
  func `a right that no operation asks for is not`(scope: String) {
    #expect(!ScopeInput.known.contains(scope))
  }

  @Test
  func `what workflows may do is of those who may do it by hand, and of whom it was given to`() {
    for (right, byHand) in AutomationRight.byHand {
      let resource = right.prefix { $0 != ":" }
      for held in [right, byHand, "\(resource):write", "\(resource):*", "*"] {
        #expect(Scope.allows([held], right), "\(held)")
      }
      for held in ["workflows:*", "\(resource):read", "\(resource):delete", "leads:*"] {
        #expect(!Scope.allows([held], right), "\(held)")
      }
      #expect(!Scope.allows([right], byHand))
    }
  }
}
