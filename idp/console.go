package idp

// The clients of our own pages: how these ask for a sign-in. Both exist in every
// installation.
const (
	// ConsoleClient is the console. Its override always requires a second step.
	ConsoleClient = "gatehouse-console"
	// AccountClient is where people look after their account. It asks for what the
	// person's population does.
	AccountClient = "gatehouse-account"
)

// OwnClient tells whether a client is one of our own pages, which cannot be changed.
func OwnClient(id string) bool { return id == ConsoleClient || id == AccountClient }
