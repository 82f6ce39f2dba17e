enum ImportRoutes { static let all: [Route] = [] }
