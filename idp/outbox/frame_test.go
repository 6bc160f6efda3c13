package outbox_test

import (
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/outbox"
	"gatehouse/ui"
)

// Old mails, from before there were such links, have help alone.
func TestMailsLeadToHelpAndSupportAndNotToPrivacy(t *testing.T) {
	t.Parallel()
	u, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b := idp.Brand{Name: "RTX", HelpURL: "https://rtx.example/help", PrivacyURL: "https://rtx.example/privacy", SupportURL: "https://rtx.example/support"}
	frame := outbox.FrameFor(t.Context(), idp.User{Email: "maya@rtx.example"}, idp.Population{ID: idp.Agents, Brand: b})
	for _, part := range []string{"Help: https://rtx.example/help\n", "Contact support: https://rtx.example/support\n"} {
		letter, err := u.WriteMail(ui.Mail{MailFrame: frame, Kind: ui.MailRolesChanged})
		if err != nil || strings.Count(letter.Text, part) != 1 || strings.Contains(letter.Text+letter.HTML, "privacy") {
			t.Errorf("no %s or a link to privacy in %s, %v", part, letter.Text, err)
		}
	}
}
