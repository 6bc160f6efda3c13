package ui

// emailWords are for both addresses. The old one is not told the new one: whoever
// reads there may be the reason for the change.
func (m Mail) emailWords() mailWords {
	w := mailWords{
		subject: Key("mail.email_changed.subject").With(),
		lead:    []*Message{Key("mail.email_changed.text").With()},
		text:    []*Message{m.onlyAdmin()},
		todo:    []*Message{Key("mail.todo.tell_now").With(), Key("mail.todo.password").With()},
	}
	if m.Former {
		w.lead = []*Message{Key("mail.email_changed.text_former").With()}
		w.todo = w.todo[:1] // they may not get in any more
	}
	return w
}

func (m Mail) enabledWords() mailWords {
	return mailWords{
		subject: MethodKey("mail.factor_enabled.subject.", m.Method).With(),
		lead:    []*Message{MethodKey("mail.factor_enabled.text.", m.Method).With()},
		text:    []*Message{Key("mail.factor_enabled.what").With()},
		todoFor: "mail.todo.not_asked",
		todo:    []*Message{Key("mail.todo.tell_now").With(), Key("mail.todo.password").With()},
	}
}

func (m Mail) rolesWords() mailWords {
	now := Key("mail.roles_changed.none").With()
	if m.Roles != "" {
		now = Key("mail.roles_changed.now").With(m.Roles)
	}
	return mailWords{
		subject: Key("mail.roles_changed.subject").With(),
		lead:    []*Message{Key("mail.roles_changed.text").With()},
		text:    []*Message{now},
		todoFor: "mail.todo.not_expected", todo: []*Message{Key("mail.todo.tell").With()},
	}
}

// accountWords are for an account that was disabled or enabled.
func accountWords(subject, text, what Key) mailWords {
	return mailWords{
		subject: subject.With(), lead: []*Message{text.With()}, text: []*Message{what.With()},
		todoFor: "mail.todo.not_expected", todo: []*Message{Key("mail.todo.tell").With()},
	}
}

func (m Mail) removedWords() mailWords {
	return mailWords{
		subject: Key("mail.factor_removed.subject").With(),
		lead:    []*Message{Key("mail.factor_removed.text").With()},
		text:    []*Message{m.who()},
		todo:    []*Message{Key("mail.todo.tell_now").With(), Key("mail.todo.password").With(), Key("mail.todo.review").With()},
	}
}

// confirmWords are for an address whose reader may be a stranger to the account: they
// say nothing about it.
func (m Mail) confirmWords() mailWords {
	return mailWords{
		subject: Key("mail.email_confirm.subject").With(),
		lead:    []*Message{Key("mail.email_confirm.text").With(m.Account)},
		button:  Key("mail.email_confirm.button").With(),
		text:    []*Message{Key("mail.email_confirm.valid").With()},
		todoFor: "mail.todo.not_asked", todo: []*Message{Key("mail.email_confirm.ignore").With()},
	}
}

func askedWords() mailWords {
	return mailWords{
		subject: Key("mail.email_asked.subject").With(),
		lead:    []*Message{Key("mail.email_asked.text").With()},
		text:    []*Message{Key("mail.email_asked.what").With()},
		button:  Key("mail.email_asked.button").With(),
		todo:    []*Message{Key("mail.email_asked.cancel").With(), Key("mail.todo.password").With(), Key("mail.todo.tell_now").With()},
	}
}

// takenWords are for who has the address that somebody else wants.
func takenWords() mailWords {
	return mailWords{
		subject: Key("mail.email_taken.subject").With(),
		lead:    []*Message{Key("mail.email_taken.text").With()},
		text:    []*Message{Key("mail.email_taken.what").With()},
		todoFor: "mail.todo.not_expected", todo: []*Message{Key("mail.todo.tell").With()},
	}
}
