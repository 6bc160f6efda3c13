package account

import (
	"encoding/base64"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/manage/authz"
	"gatehouse/idp/manage/self"
	"gatehouse/idp/web"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// secondStep lists authenticators and recovery codes.
func (v *visit) secondStep() error {
	own, err := v.own()
	if err != nil {
		return err
	}
	if !own.Local {
		return self.ErrElsewhere
	}
	page := ui.AccountSecondStep{Console: v.frame("/second-step"), Policy: *policyText(own.Population.Policy).With()}
	for _, f := range mfa.Possessions(own.Factors) {
		at := v.path("/second-step/" + f.ID)
		page.Factors = append(page.Factors, ui.AccountFactor{
			Name: v.nameOf(f), Method: *ui.MethodKey("account.factor.", string(f.Method)).With(), Kind: kindOf(f), CreatedAt: f.CreatedAt, LastUsedAt: f.LastUsedAt, DisabledAt: f.DisabledAt,
			RenameURL: at + "/rename", RemoveURL: at + "/remove",
		})
	}
	if own.CanAdd {
		page.AddURL = v.path("/second-step/add")
	}
	if own.CanAddPasskey {
		page.PasskeyURL = v.path("/second-step/passkey")
	}
	if own.Recovery != nil {
		page.Codes = &ui.AccountCodesState{Left: own.RecoveryLeft, GeneratedAt: own.Recovery.CreatedAt, URL: v.path("/codes")}
	}
	return v.render(http.StatusOK, page)
}

// policyText says what a policy asks for, by the methods that it has.
func policyText(p idp.Policy) ui.Key {
	var on []string
	for _, id := range mfa.SecondSteps() {
		if mfa.Of(id).On(p) {
			on = append(on, string(id))
		}
	}
	if len(on) == 0 {
		return "account.second.policy_off"
	}
	return ui.MethodKey("account.second.policy.", strings.Join(on, "_"))
}

// enrol begins the set-up of another authenticator. Nothing is stored until a code
// confirms it.
func (v *visit) enrol() error {
	pending, err := v.pages.Manage.Self.BeginAuthenticator(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	return v.renderEnrol(http.StatusOK, pending, ui.AccountEnrol{})
}

func (v *visit) renderEnrol(status int, p self.PendingAuthenticator, page ui.AccountEnrol) error {
	otpauth := mfa.TOTPURL(p.Issuer, p.Account, p.Key)
	image, width, err := mfa.TOTPImage(otpauth)
	if err != nil {
		return err
	}
	alert := page.Alert
	page.Console = v.frame("/second-step")
	page.Alert = alert
	page.FormFields = []ui.Field{{Name: "pending", Value: base64.RawURLEncoding.EncodeToString(p.Sealed)}}
	page.Action, page.CancelURL = v.path("/second-step/add"), v.path("/second-step")
	page.IssuerLabel, page.AccountLabel = p.Issuer, p.Account
	page.QR = template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(image))
	page.QRWidth = width
	page.Key, page.OTPAuthURL = mfa.TOTPKeyText(p.Key), template.URL(otpauth)
	return v.render(status, page)
}

// postEnrol confirms the set-up with a code, and shows the recovery codes that came
// with the first authenticator.
func (v *visit) postEnrol() error {
	ctx := v.Request.Context()
	sealed := pending(v.Context)
	page := ui.AccountEnrol{Name: v.PostForm("name"), CodeError: web.CodeProblem(v.PostForm("code"))}
	if page.CodeError == nil {
		err := v.add(sealed, page.Name)
		switch {
		case err == nil:
			return v.enrolled()
		case errors.Is(err, idp.ErrExpired):
			return v.enrolAgain(page)
		case errors.Is(err, mfa.ErrWrongCode), errors.Is(err, mfa.ErrReplayed):
			page.CodeError = ui.MsgCodeWrong.With()
		case errors.Is(err, mfa.ErrCodeFormat):
			page.CodeError = ui.MsgCodeFormat.With()
		default:
			if _, page.NameError = fieldError(err); page.NameError == nil {
				return err
			}
		}
	}
	begun, err := v.pages.Manage.Self.PendingAuthenticator(ctx, v.self, sealed)
	if errors.Is(err, idp.ErrExpired) {
		return v.enrolAgain(page)
	}
	if err != nil {
		return err
	}
	return v.renderEnrol(http.StatusUnprocessableEntity, begun, page)
}

// pending is the set-up that a form confirms.
func pending(c *gin.Context) []byte {
	sealed, _ := base64.RawURLEncoding.DecodeString(c.PostForm("pending")) // a broken one does not open
	return sealed
}

// enrolAgain shows a new key in the place of one that is too old.
func (v *visit) enrolAgain(page ui.AccountEnrol) error {
	pending, err := v.pages.Manage.Self.BeginAuthenticator(v.Request.Context(), v.self)
	if err != nil {
		return err
	}
	page.CodeError, page.Alert = nil, ui.Key("account.enrol.expired").With()
	return v.renderEnrol(http.StatusUnprocessableEntity, pending, page)
}

func (v *visit) enrolled() error {
	own, err := v.own()
	if err != nil {
		return err
	}
	if own.Codes {
		return v.done("/codes", "account.done.added")
	}
	return v.done("/second-step", "account.done.added")
}

// factor is the one that the address names.
func (v *visit) factor() (idp.Factor, bool, error) {
	return v.pages.Manage.Self.CanRemove(v.Request.Context(), v.self, v.Param("factor"))
}

// rename is the form of an authenticator's name.
func (v *visit) rename() error {
	f, _, err := v.factor()
	if err != nil {
		return err
	}
	if err := v.proved(); err != nil {
		return err
	}
	return v.renderRename(http.StatusOK, f.Method, v.nameOf(f), nil)
}

func (v *visit) renderRename(status int, m idp.Method, name string, wrong *ui.Message) error {
	return v.render(status, ui.AccountRename{
		Console: v.frame("/second-step"), Action: v.path("/second-step/" + v.Param("factor") + "/rename"),
		Heading:   *ui.MethodKey("account.rename.heading.", string(m)).With(),
		CancelURL: v.path("/second-step"), Name: name, NameError: wrong,
	})
}

// postRename gives an authenticator another name.
func (v *visit) postRename() error {
	name := v.PostForm("name")
	err := v.pages.Manage.Self.RenameAuthenticator(v.Request.Context(), v.self, v.Param("factor"), name)
	if err == nil {
		return v.done("/second-step", "account.done.renamed")
	}
	if errors.Is(err, authz.ErrUnchanged) {
		return v.done("/second-step", "account.done.unchanged")
	}
	if _, text := fieldError(err); text != nil {
		f, _, err := v.factor()
		if err != nil {
			return err
		}
		return v.renderRename(http.StatusUnprocessableEntity, f.Method, name, text)
	}
	return err
}

// askRemove says what goes with an authenticator, after a fresh second step: better now
// than after the question.
func (v *visit) askRemove() error {
	f, may, err := v.factor()
	if err != nil {
		return err
	}
	if !may {
		return v.renderLast(http.StatusOK, f)
	}
	if err := v.proved(); err != nil {
		return err
	}
	own, err := v.own()
	if err != nil {
		return err
	}
	consequences := []ui.Message{*ui.MethodKey("account.remove.codes.", string(f.Method)).With()}
	if len(mfa.Possessions(own.Factors)) == 1 {
		consequences = append(consequences, *ui.Key("account.remove.recovery").With(own.RecoveryLeft))
	}
	if v.pages.Manage.Mailer != nil {
		consequences = append(consequences, *ui.Key("account.remove.told").With())
	}
	return v.render(http.StatusOK, ui.AccountAsk{
		Console: v.frame("/second-step"), Action: v.path("/second-step/" + f.ID + "/remove"), CancelURL: v.path("/second-step"),
		Heading: *ui.Key("account.remove.heading").With(v.nameOf(f)), Consequences: consequences, Button: *ui.Key("account.remove.button").With(),
	})
}

// renderLast says why an authenticator stays.
func (v *visit) renderLast(status int, f idp.Factor) error {
	return v.render(status, ui.AccountAsk{
		Console: v.frame("/second-step"), CancelURL: v.path("/second-step"), Heading: *ui.Key("account.remove.last_heading").With(v.nameOf(f)),
		Consequences: []ui.Message{*ui.Key("account.remove.last").With()},
	})
}

// postRemove takes an authenticator away.
func (v *visit) postRemove() error {
	f, _, err := v.factor()
	if err != nil {
		return err
	}
	err = v.pages.Manage.Self.RemoveAuthenticator(v.Request.Context(), v.self, f.ID)
	switch {
	case errors.Is(err, self.ErrLastFactor):
		return v.renderLast(http.StatusConflict, f)
	case err != nil:
		return err
	}
	if f.Method == idp.MethodPasskey {
		return v.done("/second-step", "account.done.removed_passkey")
	}
	return v.done("/second-step", "account.done.removed")
}
