package ui

// linkWords are for people who asked for a link, or were invited. A stranger may have
// typed the address: the mail says nothing that its owner does not know, and tells what
// to do if they did not ask.
func (m Mail) linkWords() mailWords {
	ignore := []*Message{Key("mail.todo.ignore").With()}
	switch m.Kind {
	case MailReset:
		return mailWords{
			subject: Key("mail.reset.subject").With(), lead: []*Message{Key("mail.reset.text").With()},
			button: Key("mail.reset.button").With(), text: []*Message{Key("mail.reset.what").With()},
			todoFor: "mail.todo.not_asked", todo: append(ignore, Key("mail.todo.tell_often").With()),
		}
	case MailNoPassword:
		return mailWords{
			subject: Key("mail.no_password.subject").With(), lead: []*Message{Key("mail.no_password.text").With()},
			text: []*Message{Key("mail.no_password.what").With()}, todoFor: "mail.todo.not_asked", todo: ignore,
		}
	case MailAccountExists:
		return mailWords{
			subject: Key("mail.account_exists.subject").With(), lead: []*Message{Key("mail.account_exists.text").With()},
			text: []*Message{Key("mail.account_exists.what").With()}, todoFor: "mail.todo.not_asked", todo: ignore,
		}
	default:
		return m.accountLinkWords()
	}
}

// accountLinkWords are for a link that makes an account.
func (m Mail) accountLinkWords() mailWords {
	w := mailWords{
		subject: Key("mail.registration.subject").With(), lead: []*Message{Key("mail.registration.text").With()},
		button: Key("mail.registration.button").With(), text: []*Message{Key("mail.account_link.what").With()},
		todoFor: "mail.todo.not_asked", todo: []*Message{Key("mail.todo.ignore_account").With()},
	}
	if m.Kind == MailRegistration {
		if m.Brand.Name != "" {
			w.subject, w.lead[0] = Key("mail.registration.subject_brand").With(m.Brand.Name), Key("mail.registration.text_brand").With(m.Brand.Name)
		}
		return w
	}
	w.subject, w.lead[0] = Key("mail.invitation.subject").With(), Key("mail.invitation.text").With()
	w.button, w.todoFor = Key("mail.invitation.button").With(), "mail.todo.not_expected"
	if m.Brand.Name != "" {
		w.subject, w.lead[0] = Key("mail.invitation.subject_brand").With(m.Brand.Name), Key("mail.invitation.text_brand").With(m.Brand.Name)
	}
	return w
}
