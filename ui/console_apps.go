package ui

import "time"

// Choice is one of several that a form offers.
type Choice struct {
	Value  string
	Label  string
	Hint   string // may be empty
	Chosen bool
}

// Select is a field with one answer out of several.
type Select struct {
	Name    string
	Label   Message
	Choices []Choice
}

// AppRow is an app in the list.
type AppRow struct {
	Name        string
	URL         string
	Kind        Message
	Populations string
	Rule        Message
	RuleURL     string // where it is changed, absent when empty
}

// ConsoleApps lists the apps.
type ConsoleApps struct {
	Console
	Apps     []AppRow
	NewURL   string
	OlderURL string // the rest of the list, absent when empty
	// RegistrationURL leads to apps that register themselves, absent when empty.
	RegistrationURL string
}

func (p ConsoleApps) about() about { return about{template: "console-apps", console: true} }

// TokenRow is an initial access token in the list.
type TokenRow struct {
	Name        string
	Hosts       []string
	Apps        Message // how many were registered, of how many
	MadeAt      time.Time
	ExpiresAt   time.Time
	State       Message // why it works no longer, empty for one that works
	WithdrawURL string  // absent when empty
}

// ConsoleRegistration lists initial access tokens; with one that was made just now.
type ConsoleRegistration struct {
	Console
	Endpoint string // empty: apps cannot register themselves here
	Token    string // shown this once, mostly empty
	NextURL  string // where to go on after the token
	Tokens   []TokenRow
	NewURL   string // absent when empty
	OlderURL string // the rest of the list, absent when empty
}

func (p ConsoleRegistration) about() about {
	return about{template: "console-registration", failed: anyOf(p.Alert), console: true}
}

// AppTemplate is a kind of app that can be connected.
type AppTemplate struct {
	Label, Hint Message
	URL         string
}

// ConsoleAppNew asks what kind of app is connected.
type ConsoleAppNew struct {
	Console
	Templates []AppTemplate
}

func (p ConsoleAppNew) about() about { return about{template: "console-app-new", console: true} }

// Setting is something to copy into an app.
type Setting struct {
	Label  Message
	Values []string
	// Text and Download stand instead of Values: a file.
	Text     Message
	Download Link
}

// Snippet is code to copy into an app.
type Snippet struct {
	Title string // the library
	Code  string
}

// ConsoleAppConnect is all that an app needs to be told; with its secret, when that
// was made just now.
type ConsoleAppConnect struct {
	Console
	AppName  string
	Secret   string // shown this once, mostly empty
	TestURL  string // absent when no person signs in to it
	Redirect string // where the test ends
	Settings []Setting
	Snippets []Snippet
	NextURL  string // where to go on after the secret
}

func (p ConsoleAppConnect) about() about {
	return about{template: "console-app-connect", console: true}
}

// ConsoleAppSecrets is the rotation of an app's secrets. Form field of RemoveAction:
// index.
type ConsoleAppSecrets struct {
	Console
	AppName   string
	Live      int
	Secrets   [][]Message // what is known of each, oldest first
	AddURL    string      // asks before a second one is made, absent when there are two
	RemoveURL []string    // asks before one is removed, oldest first; none while there is but one
}

func (p ConsoleAppSecrets) about() about {
	return about{template: "console-app-secrets", failed: anyOf(p.Alert), console: true}
}

// ConsoleAppDeliveries is how far the deliveries to an app are. Form field: lane.
type ConsoleAppDeliveries struct {
	Console
	AppName   string
	To        string
	Lane      Lane
	RetryPath string
	// TestPath is empty for those who may not send a test.
	TestPath string
}

func (p ConsoleAppDeliveries) about() about {
	return about{template: "console-app-deliveries", console: true}
}
