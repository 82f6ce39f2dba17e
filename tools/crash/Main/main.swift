import CrashKit
import Foundation

exit(await CrashCommand.run(Array(CommandLine.arguments.dropFirst())))
