package login

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"gatehouse/idp"
	"gatehouse/idp/throttle"
	"gatehouse/mfa"
	"gatehouse/ui"
)

// postMethod switches to another second step that will do.
func (l *Login) postMethod(c *gin.Context, s *signIn) error {
	method := idp.Method(c.PostForm("method"))
	if !slices.Contains(choices(s.next()), method) {
		return l.tooLate(c, s)
	}
	return l.advance(c, s, func(context.Context) error {
		s.notes.Method = method
		return nil
	})
}

// choices are the methods that a state lets the person pick.
func choices(state State) []idp.Method {
	switch state := state.(type) {
	case NeedCode:
		return slices.Concat(state.Methods, state.Instead)
	case ChooseMethod:
		return state.Methods
	case NeedEnrolment:
		return state.Instead
	case ChooseSession, NeedPassword, ConfirmEmail, ChangePassword, ShowCodes, ShowLeft, Approve, Denied, Stuck, Unmet, Done:
	}
	return nil
}

// accepts tells whether a method would do now.
func (s *signIn) accepts(m idp.Method) bool {
	state, ok := s.next().(NeedCode)
	return ok && slices.Contains(state.Methods, m)
}

// guess is one try at a second step: which factors it is tried against, and the check of
// what was typed. A code of an authenticator is tried against all that the person has, and
// is one guess. use uses a right one up, in the transaction that moves the flow on. Errors
// of both are *refusal for what is wrong, and those of the database.
type guess struct {
	ids   []string
	check func(ctx context.Context, typed string) (use func(ctx context.Context) error, err error)
}

// refusal says that a guess was wrong.
type refusal struct {
	text *ui.Message
	// kind is what the audit log calls it, empty for what it calls all of the method.
	kind idp.AuditKind
}

// Error implements error.
func (r *refusal) Error() string { return "wrong code: " + string(r.text.Key) }

// postCode checks a code of one method.
func (l *Login) postCode(m secondStep) func(*gin.Context, *signIn) error {
	return func(c *gin.Context, s *signIn) error {
		if !s.accepts(m.id) {
			return l.tooLate(c, s)
		}
		page, typed := codePage{method: m.id}, c.PostForm("code")
		if page.codeError = m.problem(typed); page.codeError != nil {
			return l.renderCode(c, s, page)
		}
		g, err := m.guess(l, c.Request.Context(), s)
		if err != nil {
			return err
		}
		if len(g.ids) == 0 { // the page says what to do
			return l.toPage(c, s)
		}
		attempt, err := l.begin(c.Request.Context(), s, m)
		if errors.As(err, &page.limited) {
			page.alert = ui.MsgTooManyAttempts.With(page.limited.Wait)
			return l.renderCode(c, s, page)
		}
		if err != nil {
			return err
		}
		return l.tryCode(c, s, m, g, attempt, typed)
	}
}

// tryCode goes on with a guess that was counted.
func (l *Login) tryCode(c *gin.Context, s *signIn, m secondStep, g guess, attempt *throttle.Attempt, typed string) error {
	use, err := g.check(c.Request.Context(), typed)
	if errors.Is(err, idp.ErrUnreadable) {
		slog.ErrorContext(c.Request.Context(), "check a code", "method", string(m.id), "cause", err)
		return l.renderCode(c, s, codePage{method: m.id, codeError: ui.MsgCodeUnreadable.With()})
	}
	if err == nil {
		err = l.advance(c, s, func(ctx context.Context) error {
			if err := use(ctx); err != nil {
				return err
			}
			s.prove(m.id)
			return attempt.Succeeded(ctx)
		})
	}
	var wrong *refusal
	if errors.As(err, &wrong) {
		return l.refuse(c, s, m, g, attempt, wrong)
	}
	return err
}

// possession readies the check of a code against what the person set up.
func possession(m idp.Method) func(*Login, context.Context, *signIn) (guess, error) {
	refused := func(err error) error {
		text := secondStepOf(m).wrong(err)
		if errors.Is(err, mfa.ErrReplayed) {
			return &refusal{text: text, kind: idp.AuditCodeReplayed}
		}
		return &refusal{text: text}
	}
	return func(l *Login, _ context.Context, s *signIn) (guess, error) {
		var g guess
		factors := s.usable(m)
		for _, f := range factors {
			g.ids = append(g.ids, f.ID)
		}
		g.check = func(_ context.Context, typed string) (func(context.Context) error, error) {
			factorID, step, err := l.matchAny(factors, typed)
			if isWrongCode(err) {
				err = refused(err)
			}
			return func(ctx context.Context) error {
				err := l.Store.AcceptStep(ctx, factorID, step, idp.Now())
				if errors.Is(err, idp.ErrUsed) { // a parallel request was faster
					err = refused(mfa.ErrReplayed)
				}
				return err
			}, err
		}
		return g, nil
	}
}

// usable are the factors of a method that this browser may use.
func (s *signIn) usable(m idp.Method) []idp.Factor {
	return slices.DeleteFunc(s.enrolment.Of(m), func(f idp.Factor) bool { return !f.DisabledAt.IsZero() && !s.canUse(f.ID) })
}

// matchAny finds the factor that has a code, such as the authenticator that shows it. A code that one of them has
// shown before is a replay, unless it is another's.
func (l *Login) matchAny(factors []idp.Factor, code string) (factorID string, step int64, err error) {
	var refused error
	for _, f := range factors {
		secret, err := l.Manage.Factors.OpenFactor(f)
		if errors.Is(err, idp.ErrUnreadable) { // another one may still do
			refused = cmp.Or(refused, err)
			continue
		}
		if err != nil {
			return "", 0, err
		}
		step, err := mfa.Of(f.Method).Match(secret, code, idp.Now(), f.LastStep)
		if err == nil {
			return f.ID, step, nil
		}
		if refused == nil || errors.Is(err, mfa.ErrReplayed) || errors.Is(refused, idp.ErrUnreadable) {
			refused = err
		}
	}
	return "", 0, refused
}

// isWrongCode tells whether it is the code that is wrong, and not us.
func isWrongCode(err error) bool {
	return errors.Is(err, mfa.ErrReplayed) || errors.Is(err, mfa.ErrCodeFormat) || errors.Is(err, mfa.ErrWrongCode)
}

// codeError is the text beside the field.
func codeError(cause error) *ui.Message {
	switch {
	case errors.Is(cause, mfa.ErrReplayed):
		return ui.MsgCodeUsed.With(mfa.NextCodeIn(idp.Now()))
	case errors.Is(cause, mfa.ErrCodeFormat):
		return ui.MsgCodeFormat.With()
	}
	return ui.MsgCodeWrong.With()
}

// guessRecovery readies the check of a recovery code, which works once.
func (l *Login) guessRecovery(_ context.Context, s *signIn) (guess, error) {
	return guess{
		ids: []string{s.enrolment.Recovery.ID},
		check: func(ctx context.Context, typed string) (func(context.Context) error, error) {
			code, err := l.findRecoveryCode(ctx, s, typed)
			return func(ctx context.Context) error { return recoveryRefused(l.useRecoveryCode(ctx, s, code)) }, recoveryRefused(err)
		},
	}, nil
}

func recoveryRefused(err error) error {
	switch {
	case errors.Is(err, idp.ErrUsed):
		return &refusal{text: ui.MsgRecoveryCodeUsed.With()}
	case errors.Is(err, idp.ErrNotFound):
		return &refusal{text: ui.MsgRecoveryCodeWrong.With()}
	}
	return err
}

func recoveryProblem(input string) *ui.Message {
	if strings.TrimSpace(input) == "" {
		return ui.MsgRecoveryCodeMissing.With()
	}
	_, err := mfa.NormalizeRecoveryCode(input)
	switch {
	case errors.Is(err, mfa.ErrTwoCodes):
		return ui.MsgCodeTwo.With()
	case err != nil:
		return ui.MsgRecoveryCodeFormat.With()
	}
	return nil
}

func (l *Login) useRecoveryCode(ctx context.Context, s *signIn, code idp.RecoveryCode) error {
	if err := l.Store.UseRecoveryCode(ctx, code.ID, idp.Now()); err != nil {
		return err
	}
	if err := l.Store.Audit(ctx, s.audit(idp.AuditRecoveryUsed, nil)); err != nil {
		return err
	}
	enrolment, err := l.Store.Enrolment(ctx, s.User.ID)
	if err != nil {
		return err
	}
	return l.Outbox.Notify(ctx, s.User, s.Population, ui.Mail{Kind: ui.MailRecoveryUsed, Left: enrolment.RecoveryLeft})
}

func (l *Login) findRecoveryCode(ctx context.Context, s *signIn, input string) (idp.RecoveryCode, error) {
	code, err := mfa.NormalizeRecoveryCode(input)
	if err != nil {
		return idp.RecoveryCode{}, err
	}
	found, err := l.Store.RecoveryCodeByMAC(ctx, s.User.ID, mfa.RecoveryMAC(l.Manage.RecoveryKey, s.User.ID, code))
	if err == nil && !found.UsedAt.IsZero() {
		err = idp.ErrUsed
	}
	return found, err
}
