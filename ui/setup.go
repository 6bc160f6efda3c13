package ui

// Setup creates an admin by a link that works once. Form fields: email, name,
// password.
type Setup struct {
	Frame
	Action                               string
	Email, Name                          string
	EmailError, NameError, PasswordError *Message
}

func (p Setup) about() about {
	return about{template: "setup", failed: anyOf(p.EmailError, p.NameError, p.PasswordError)}
}
