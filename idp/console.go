package idp

// ConsoleClient is the client_id of the console itself: how its pages ask for a
// sign-in. It exists in every installation, and its override always requires a
// second step.
const ConsoleClient = "gatehouse-console"
