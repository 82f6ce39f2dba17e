import JSON
import Testing

extension EndToEnd {
  @Suite struct Sessions {
    @Test func `an agency's session names the first of its clients, and the others are searched`()
      async throws
    {
      try await withSystem { system in
        let owner = "agency-of-many@example.com"
        let house = try await system.operatorAPI()
        let agency = try await house.post(
          "/api/operator/accounts",
          [
            "name": "Zenith", "kind": "agency", "test": true,
            "owner": [
              "email": .string(owner), "name": "Olive Owner", "password": "correct horse battery",
            ],
          ])
        for number in 101...124 {
          _ = try await house.post(
            "/api/operator/accounts",
            [
              "name": .string("Client \(number)"), "kind": "client", "test": true,
              "agency": agency["id"] ?? .null,
            ])
        }
        let session = try await API(baseURL: system.baseURL, token: nil).post(
          "/api/session", ["email": .string(owner), "password": "correct horse battery"],
          expecting: 200)
        #expect(session["account_count"]?.int == 25)
        let names = session["accounts"]?.array?.compactMap { $0["name"]?.string }
        #expect(names == ["Zenith"] + (101...119).map { "Client \($0)" })

        let api = API(baseURL: system.baseURL, token: agency["api_key"]?.string)
        let found = try await api.get("/api/accounts?q=CLIENT%20124")
        #expect(found["data"]?.array?.map { $0["name"]?.string } == ["Client 124"])
        let clients = try await api.all("/api/accounts?q=client&sort=name")
        #expect(clients.compactMap { $0["name"]?.string } == (101...124).map { "Client \($0)" })
      }
    }
  }
}
