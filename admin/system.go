package admin

import (
	"context"
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/system"
	"gatehouse/idp/store"
	"gatehouse/idp/web"
	"gatehouse/ui"
)

// mailLane is where all mail waits (outbox).
const mailLane = "mail"

// requestLane is where requests for a password link or an account wait (outbox).
const requestLane = "requests"

// canSeeSystem tells whether any part of the page is the viewer's.
func (v *visit) canSeeSystem() bool {
	return v.actor.CanDo("Deliveries") || v.actor.CanDo("TestMail") || v.actor.CanDo("SigningKeys")
}

// system is how the installation does.
func (v *visit) system() error {
	return v.renderSystem(http.StatusOK, v.viewer.User.Email, nil)
}

func (v *visit) renderSystem(status int, mailTo string, mailError *ui.Message) error {
	if !v.canSeeSystem() {
		return authz.ErrForbidden
	}
	ctx := v.Request.Context()
	frame, err := v.frame(ctx, "/system")
	if err != nil {
		return err
	}
	page := ui.ConsoleSystem{
		Console: frame, Program: idp.Release(), Database: databaseName(v.console.Store.Dialect()),
		ShowMail: v.actor.CanDo("TestMail"), MailWorks: v.console.Manage.Mailer != nil, MailAction: v.path("/system/test-mail"),
		MailTo: mailTo, MailError: mailError,
	}
	ping, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	page.Healthy = v.console.Store.Ready(ping) == nil
	states, err := v.console.Store.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.Applied {
			page.Migration = ui.Migration{Version: s.Version, Name: strings.TrimSuffix(path.Base(s.Name), ".sql"), Applied: true}
		} else {
			page.Missing++
		}
	}
	if v.actor.CanDo("SigningKeys") {
		if err := v.systemKeys(&page); err != nil {
			return err
		}
	}
	if v.actor.CanDo("Deliveries") {
		if err := v.systemLanes(&page); err != nil {
			return err
		}
	}
	return v.render(status, page)
}

func databaseName(dialect string) string {
	if dialect == "postgres" {
		return "PostgreSQL"
	}
	return "SQLite"
}

// systemKeys shows the signing keys.
func (v *visit) systemKeys(page *ui.ConsoleSystem) error {
	page.ShowKeys = true
	keys, err := v.console.Store.SigningKeys(v.Request.Context())
	now := idp.Now()
	for _, k := range keys {
		row := ui.SigningKey{ID: k.ID, Algorithm: string(k.Algorithm), Since: k.SignsFrom, Until: k.SignsUntil}
		row.RevokeURL = v.pathFor("RevokeKey", "/system/keys/"+k.ID+"/revoke")
		switch {
		case now.Before(k.SignsFrom):
			row.State, row.Next = *ui.Key("console.system.key_next").With(), true
		case k.SignsUntil.IsZero() || now.Before(k.SignsUntil):
			row.State = *ui.Key("console.system.key_signs").With()
		default:
			row.State, row.Until = *ui.Key("console.system.key_verifies").With(), k.ExpiresAt
		}
		page.Keys = append(page.Keys, row)
	}
	return err
}

func (v *visit) systemLanes(page *ui.ConsoleSystem) error {
	lanes, err := v.console.Manage.System.Deliveries(v.Request.Context(), v.actor)
	if err != nil {
		return err
	}
	apps, err := v.clientNames()
	if err != nil {
		return err
	}
	page.ShowDeliveries, page.RetryAction = true, v.pathFor("RetryDeliveries", "/system/retry")
	for _, l := range lanes {
		lane := laneOf(l)
		switch name, ok := apps[l.Lane]; {
		case l.Lane == mailLane:
			lane.Label = v.text("console.system.mail")
		case l.Lane == requestLane:
			lane.Label = v.text("console.system.requests")
		case ok && v.actor.CanDo("Client"):
			lane.Label, lane.URL = name, v.path("/apps/"+l.Lane+"/deliveries")
		case ok:
			lane.Label = name
		}
		page.Lanes = append(page.Lanes, lane)
	}
	return nil
}

// pathFor is a page or action where the viewer may do what it is for, and empty where not.
func (v *visit) pathFor(op, page string) string {
	if !v.actor.CanDo(op) {
		return ""
	}
	return v.path(page)
}

func laneOf(l store.LaneProgress) ui.Lane {
	return ui.Lane{
		Name: l.Lane, Label: l.Lane, Waiting: l.Waiting, Retrying: l.Retrying, Delivered: l.Delivered, Failed: l.Failed,
		OldestAt: l.OldestAt, LastError: l.LastError,
	}
}

// postRetry makes due now what waits in a lane.
func (v *visit) postRetry() error {
	if err := v.authorize("RetryDeliveries"); err != nil {
		return err
	}
	lane := v.PostForm("lane")
	if !identifier.MatchString(lane) {
		return web.BadForm(idp.ErrInvalid)
	}
	if _, err := v.console.Manage.System.RetryDeliveries(v.Request.Context(), v.actor, lane); err != nil {
		return err
	}
	return v.done("/system", "console.done.retried")
}

// postTestMail sends a mail at once, and shows what the mail server answers.
func (v *visit) postTestMail() error {
	if err := v.authorize("TestMail"); err != nil {
		return err
	}
	to := strings.TrimSpace(v.PostForm("to"))
	err := v.console.Manage.System.TestMail(v.Request.Context(), v.actor, to)
	switch {
	case err == nil:
		return v.done("/system", "console.done.mail_sent")
	case errors.Is(err, authz.ErrForbidden), errors.As(err, new(*authz.WaitError)):
		return err
	case errors.Is(err, system.ErrNoMail):
		return v.renderSystem(http.StatusUnprocessableEntity, to, ui.Key("console.system.mail_off").With())
	case errors.Is(err, idp.ErrInvalid):
		return v.renderSystem(http.StatusUnprocessableEntity, to, web.Said(web.Wrong(err)[0]))
	}
	return v.renderSystem(http.StatusUnprocessableEntity, to, ui.Key("console.system.mail_failed").With(err.Error()))
}
