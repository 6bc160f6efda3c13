package ui

// Errors beside a field.
const (
	MsgEmailMissing        Key = "error.email_missing"
	MsgEmailInvalid        Key = "error.email_invalid"
	MsgPasswordMissing     Key = "error.password_missing"
	MsgCodeMissing         Key = "error.code_missing"
	MsgCodeTwo             Key = "error.code_two"
	MsgCodeFormat          Key = "error.code_format"           // not 6 digits
	MsgCodeWrong           Key = "error.code_wrong"            // authenticator
	MsgCodeUnreadable      Key = "error.code_unreadable"       // it cannot be checked any more
	MsgCodeUsed            Key = "error.code_used"             // authenticator; wait until the next code
	MsgRecoveryCodeMissing Key = "error.recovery_code_missing" //
	MsgRecoveryCodeFormat  Key = "error.recovery_code_format"  // too short, too long, other letters
	MsgRecoveryCodeWrong   Key = "error.recovery_code_wrong"
	MsgRecoveryCodeUsed    Key = "error.recovery_code_used"
	MsgEmailCodeWrong      Key = "error.email_code_wrong"
	MsgEmailCodeExpired    Key = "error.email_code_expired"
	MsgDeviceCodeFormat    Key = "device.format"
	MsgEmailCodeReplaced   Key = "error.email_code_replaced"
	MsgEmailCodeUsed       Key = "error.email_code_used"
	MsgConfirmSaved        Key = "error.confirm_saved"
	MsgDomainRefused       Key = "register.error.domain"
)

// How long the access of an app lasts.
const (
	MsgAccessSession Key = "approve.lasts_session"
	MsgAccessOffline Key = "approve.lasts_offline" // unused, at most
)

// MsgKeptForm stands above a form that is filled in again.
const MsgKeptForm Key = "kept.form"

// Alerts above a form. A disabled account has none of its own: it looks like
// MsgWrongPassword.
const (
	MsgWrongPassword      Key = "error.wrong_password"       // email or password, both the same
	MsgWrongPasswordAgain Key = "error.wrong_password_again" // Reauthenticate
	MsgBusy               Key = "error.busy"                 // wait
	MsgTooManyAttempts    Key = "error.too_many_attempts"    // wait
	MsgEmailCodeTooMany   Key = "error.email_code_too_many"  // 5 tries are used up
	MsgResendTooSoon      Key = "error.resend_too_soon"      // wait
	MsgDeviceCodeWrong    Key = "device.wrong"               // no device waits for it
	MsgFactorDisabledHelp Key = "error.factor_disabled_help" // the authenticator; nothing else is left
	MsgPasswordBlocked    Key = "error.password_blocked"     // not from this browser until it is reset
	MsgPasswordNotAllowed Key = "error.password_not_allowed" // this population signs in with Microsoft only
	MsgPolicyChanged      Key = "error.policy_changed"
	MsgLinkPassword       Key = "error.link_password"      // {0} the other provider
	MsgPasswordElsewhere  Key = "error.password_elsewhere" // people sign in through other providers alone
	MsgAccountTaken       Key = "link.taken"               // there is an account with the address by now
	MsgSetupExpired       Key = "error.setup_expired"      // the QR code is a new one
	MsgMailFailed         Key = "error.mail_failed"
)

// Notices and explanations.
const (
	MsgEmailCodeSent  Key = "notice.email_code_sent"
	MsgMailMayBeLate  Key = "notice.mail_may_be_late"
	MsgChooseMethod   Key = "choose_method.text"
	MsgCodesLater     Key = "recovery_notice.later"   // time from which on new codes can be made
	MsgRecoveryFile   Key = "recovery_codes.file"     // label, account and codes: the file that people download
	MsgEmailBeforeApp Key = "notice.email_before_app" // EmailCode that comes before Enrol
)

// Labels of ways back.
const (
	MsgBack        Key = "back.plain"
	MsgBackTo      Key = "back.to" // name of the app
	MsgToAccount   Key = "back.account"
	MsgAnother     Key = "back.another"
	MsgTriesAgain  Key = "problem.tries_again"
	MsgSignInAgain Key = "back.sign_in_again"
	MsgTryAgain    Key = "back.try_again"
)

// Why a person who came through another provider is not signed in; {0} is the provider.
const (
	MsgOtherProvider      Key = "upstream.other_provider" // where none is known by name
	MsgUpstreamDown       Key = "upstream.unavailable"
	MsgUpstreamDenied     Key = "upstream.denied"
	MsgUpstreamAssignment Key = "upstream.not_assigned"
	MsgUpstreamToken      Key = "upstream.token"
	MsgUpstreamKeys       Key = "upstream.keys"
	MsgUpstreamTenant     Key = "upstream.tenant"
	MsgUpstreamEvidence   Key = "upstream.evidence"
	MsgUpstreamStale      Key = "upstream.stale"
	MsgUpstreamUnknown    Key = "upstream.unknown"
	MsgUpstreamDisabled   Key = "upstream.disabled"
	MsgUpstreamNoEmail    Key = "upstream.no_email"
	MsgUpstreamTaken      Key = "upstream.taken"
	MsgUpstreamOther      Key = "upstream.other_person"
	MsgUpstreamLost       Key = "upstream.lost"
	MsgUpstreamSetup      Key = "upstream.setup"
	MsgUpstreamProof      Key = "upstream.proof"
	MsgUpstreamLimited    Key = "upstream.limited"
)
