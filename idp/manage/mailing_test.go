package manage_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/idptest"
	"gatehouse/idp/manage"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/links"
	"gatehouse/idp/manage/people"
	"gatehouse/idp/throttle"
	"gatehouse/ui"
)

// victim has no account, or one that has not proved its address.
const victim = "victim@elsewhere.example"

// mailRule is what keeps one person from filling another's mailbox with mails of a kind:
// drive causes one to the victim, anew each time, as far as it is let; or why says what
// does.
type mailRule struct {
	drive func(t *testing.T, o *office, i int) error
	why   string
}

const (
	toOwner = "tells the account's own person of an act on it, at the address that it has"
	ofLogin = "is asked for by strangers: idp/login counts it by address and by who asks"
)

// mailRules has every kind of mail.
var mailRules = map[ui.MailKind]mailRule{
	ui.MailInvitation:   {drive: inviteAndRevoke},
	ui.MailEmailConfirm: {drive: askForTheVictims},
	ui.MailTest:         {drive: testToVictim},
	ui.MailEmailChanged: {drive: moveToVictim},

	ui.MailEmailTaken: {why: "is in the place of MailEmailConfirm, and counted with it"},
	ui.MailEmailAsked: {why: toOwner}, ui.MailNewBrowser: {why: toOwner}, ui.MailFactorEnrolled: {why: toOwner}, ui.MailBrowserTrusted: {why: toOwner}, ui.MailReminder: {why: "goes to each person once in seven days"},
	ui.MailFactorDisabled: {why: toOwner}, ui.MailPasskeyCopied: {why: toOwner}, ui.MailMFAReset: {why: toOwner}, ui.MailRecoveryUsed: {why: toOwner},
	ui.MailRecoveryGenerated: {why: toOwner}, ui.MailRecoveryViewed: {why: toOwner}, ui.MailPasswordChanged: {why: toOwner},
	ui.MailFactorEnabled: {why: toOwner}, ui.MailFactorRemoved: {why: toOwner}, ui.MailRolesChanged: {why: toOwner},
	ui.MailAccountDisabled: {why: toOwner}, ui.MailAccountEnabled: {why: toOwner}, ui.MailIdentityLinked: {why: toOwner},
	ui.MailIdentityUnlinked: {why: toOwner}, ui.MailBreakGlass: {why: toOwner},
	ui.MailCode: {why: ofLogin}, ui.MailReset: {why: ofLogin}, ui.MailNoPassword: {why: ofLogin},
	ui.MailRegistration: {why: ofLogin}, ui.MailAccountExists: {why: ofLogin},
}

func inviteAndRevoke(t *testing.T, o *office, _ int) error {
	e, err := o.Links.Invite(t.Context(), everything(), links.Invitation{Population: idp.Agents, Email: victim, Name: "Victim"})
	if err != nil {
		return err
	}
	_, err = o.Links.ResendInvitation(t.Context(), everything(), e.ID)
	return errors.Join(err, o.Links.RevokeInvitation(t.Context(), everything(), e.ID))
}

func askForTheVictims(t *testing.T, o *office, _ int) error {
	return o.Self.AskEmail(t.Context(), o.self(t, o.enrolled(t, idp.Agents)), victim)
}

func testToVictim(t *testing.T, o *office, _ int) error {
	return o.System.TestMail(t.Context(), everything(), victim)
}

func moveToVictim(t *testing.T, o *office, _ int) error {
	u := o.person(t, idp.Agents)
	_, version, err := o.Store.VersionedUser(t.Context(), u.ID)
	idptest.Must(t, err)
	email := victim
	_, err = o.People.UpdateUser(t.Context(), everything(), u.ID, people.UserChange{Version: version, Email: &email})
	if err == nil {
		idptest.Must(t, o.People.DeleteUser(t.Context(), everything(), u.ID, 0, ticket))
	}
	return err
}

// Whatever somebody here may do, an address that nobody proved to be theirs gets three
// mails at once by it, and then one after each longer wait.
func TestNobodyFillsTheMailboxOfAStranger(t *testing.T) {
	t.Parallel()
	for _, kind := range ui.MailKinds() {
		rule, known := mailRules[kind]
		if !known {
			t.Errorf("mails of kind %s have no rule here", kind)
		}
		if rule.drive == nil {
			continue
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			inOffice(t, func(t *testing.T, o *office) {
				o.refit(func(p *manage.Parts) { p.Throttles = throttle.New(o.db.Store, []byte("a key of tests")) })
				refused := 0
				for i := range 8 {
					if i >= 3 { // the wait, on a machine of any speed
						o.db.Age(t, "throttles", -time.Hour, "next_at")
					}
					err := rule.drive(t, o, i)
					var wait *authz.WaitError
					switch {
					case errors.As(err, &wait):
						refused++
					case err != nil:
						t.Fatal(err)
					}
				}
				if refused < 5 {
					t.Errorf("%d of 8 were refused", refused)
				}
				o.exec(t, "UPDATE throttles SET next_at = '2001-01-01 00:00:00'")
				if err := rule.drive(t, o, 9); err != nil && kind != ui.MailInvitation { // which is two mails
					t.Errorf("later: %v", err)
				}
			})
		})
	}
}

// One person does not mail the whole world from here either.
func TestMailsOfOneSenderAreSlowedDown(t *testing.T) {
	t.Parallel()
	inOffice(t, func(t *testing.T, o *office) {
		o.refit(func(p *manage.Parts) { p.Throttles = throttle.New(o.db.Store, []byte("a key of tests")) })
		test := func(a authz.Actor, i int) error {
			return o.System.TestMail(t.Context(), a, fmt.Sprintf("victim%d@elsewhere.example", i))
		}
		idptest.Must(t, test(everything(), 0))
		o.exec(t, "UPDATE throttles SET failures = 199 WHERE kind = 'mail-by'")
		idptest.Must(t, test(everything(), 1))
		o.db.Age(t, "throttles", -time.Hour, "next_at") // the wait, on a machine of any speed
		if err := test(everything(), 2); !errors.As(err, new(*authz.WaitError)) {
			t.Errorf("the next: %v", err)
		}
		another := everything()
		another.UserID = "another"
		if err := test(another, 202); err != nil {
			t.Errorf("another's: %v", err)
		}
	})
}
