package idp

import "time"

// AuditKind names what happened: "noun.verb".
type AuditKind string

// The kinds of audit events.
const (
	AuditSignedIn           AuditKind = "session.created"
	AuditSignedOut          AuditKind = "session.ended"
	AuditSteppedUp          AuditKind = "session.stepped_up"
	AuditClientAuthorized   AuditKind = "client.authorized"
	AuditDeviceDenied       AuditKind = "device.denied" // “This is not me”
	AuditPasswordAccepted   AuditKind = "password.accepted"
	AuditPasswordRefused    AuditKind = "password.refused"
	AuditPasswordThrottled  AuditKind = "password.throttled"
	AuditCodeRefused        AuditKind = "totp.refused"
	AuditCodeReplayed       AuditKind = "totp.replayed"
	AuditCodeThrottled      AuditKind = "totp.throttled"
	AuditPasskeyRefused     AuditKind = "passkey.refused"
	AuditPasskeyThrottled   AuditKind = "passkey.throttled"
	AuditFactorEnrolled     AuditKind = "factor.enrolled"
	AuditFactorDisabled     AuditKind = "factor.disabled"
	AuditRecoveryGenerated  AuditKind = "recovery.generated"
	AuditRecoverySaved      AuditKind = "recovery.saved"
	AuditRecoveryUsed       AuditKind = "recovery.used"
	AuditRecoveryRefused    AuditKind = "recovery.refused"
	AuditRecoveryThrottled  AuditKind = "recovery.throttled"
	AuditRecoveryViewed     AuditKind = "recovery.viewed"
	AuditEmailSent          AuditKind = "email_code.sent"
	AuditEmailRefused       AuditKind = "email_code.refused"
	AuditEmailThrottled     AuditKind = "email_code.throttled"
	AuditFactorRemoved      AuditKind = "factor.removed"
	AuditFactorRenamed      AuditKind = "factor.renamed"
	AuditEmailAsked         AuditKind = "email_change.asked"
	AuditEmailDropped       AuditKind = "email_change.dropped"
	AuditDataTaken          AuditKind = "user.data_taken"
	AuditMFAReset           AuditKind = "mfa.reset"
	AuditPasswordChanged    AuditKind = "password.changed"
	AuditNewBrowser         AuditKind = "browser.new"
	AuditReminded           AuditKind = "second_step.reminded"
	AuditBrowserTrusted     AuditKind = "browser.trusted"
	AuditBrowserForgotten   AuditKind = "browser.forgotten"
	AuditInvited            AuditKind = "invitation.sent"
	AuditInvitationResent   AuditKind = "invitation.resent"
	AuditInvitationRevoked  AuditKind = "invitation.revoked"
	AuditInvitationAccepted AuditKind = "invitation.accepted"
	AuditRegistrationAsked  AuditKind = "registration.asked"
	AuditRegistered         AuditKind = "registration.confirmed"
	AuditResetAsked         AuditKind = "password_reset.asked"
	AuditResetUsed          AuditKind = "password_reset.used"
	AuditSetupOffered       AuditKind = "setup.offered"
	AuditMailTested         AuditKind = "mail.tested"
	AuditAuthorizeRefused   AuditKind = "authorize.refused"
	AuditFlowForeign        AuditKind = "flow.foreign_browser"
	AuditCodeReused         AuditKind = "code.reused"
	AuditRefreshReused      AuditKind = "refresh.reused"
	AuditConsentGiven       AuditKind = "consent.given"
	AuditConsentDenied      AuditKind = "consent.denied"
	AuditConsentNarrowed    AuditKind = "consent.narrowed"
	AuditConsentWithdrawn   AuditKind = "consent.withdrawn"
	AuditGrantEnded         AuditKind = "grant.ended"  // access that an app kept without a session
	AuditRefreshLate        AuditKind = "refresh.late" // used again too late, the successor never was
	AuditTokenRevoked       AuditKind = "token.revoked"
	AuditRevocationRefused  AuditKind = "token.revocation_refused"
	AuditClientAuthFailed   AuditKind = "client.authentication_failed"
	AuditUserCreated        AuditKind = "user.created"
	AuditClientCreated      AuditKind = "client.created"
	AuditPolicyChanged      AuditKind = "policy.changed"
	AuditOverrideChanged    AuditKind = "override.changed"
	AuditUserChanged        AuditKind = "user.changed"
	AuditAddressShared      AuditKind = "user.address_shared"
	AuditUserDisabled       AuditKind = "user.disabled"
	AuditUserEnabled        AuditKind = "user.enabled"
	AuditUserDeleted        AuditKind = "user.deleted"
	AuditUserAnonymised     AuditKind = "user.anonymised"
	AuditRolesChanged       AuditKind = "user.roles_changed"
	AuditThrottleCleared    AuditKind = "throttle.cleared"
	AuditFactorEnabled      AuditKind = "factor.enabled"
	AuditRoleCreated        AuditKind = "role.created"
	AuditRoleChanged        AuditKind = "role.changed"
	AuditRoleDeleted        AuditKind = "role.deleted"
	AuditInitialTokenMade   AuditKind = "initial_token.created"
	AuditInitialTokenEnded  AuditKind = "initial_token.withdrawn"
	AuditClientChanged      AuditKind = "client.changed"
	AuditClientDeleted      AuditKind = "client.deleted"
	AuditSecretAdded        AuditKind = "client.secret_added"
	AuditSecretRemoved      AuditKind = "client.secret_removed"
	AuditPopulationCreated  AuditKind = "population.created"
	AuditPopulationChanged  AuditKind = "population.changed"
	AuditConnectionCreated  AuditKind = "connection.created"
	AuditConnectionChanged  AuditKind = "connection.changed"
	AuditConnectionDeleted  AuditKind = "connection.deleted"
	AuditAccessChanged      AuditKind = "access.changed"
	AuditFederatedAccepted  AuditKind = "federated.accepted"
	AuditFederatedRefused   AuditKind = "federated.refused"
	AuditFederatedPending   AuditKind = "federated.pending"
	AuditIdentityLinked     AuditKind = "identity.linked"
	AuditIdentityUnlinked   AuditKind = "identity.unlinked"
	AuditRolesWithheld      AuditKind = "roles.withheld"
	AuditProfileSynced      AuditKind = "user.synced"
	AuditBreakGlassOffered  AuditKind = "break_glass.offered"
	AuditBreakGlassUsed     AuditKind = "break_glass.used"
	AuditPasswordRules      AuditKind = "password.rules_changed"
	AuditSessionRules       AuditKind = "session.rules_changed"
	AuditDeliveriesRetried  AuditKind = "deliveries.retried"
	AuditLogoutTested       AuditKind = "client.logout_tested"
	AuditOperationRefused   AuditKind = "operation.refused"
	AuditKeyCreated         AuditKind = "key.created"
	AuditKeyRotated         AuditKind = "key.rotated"
	AuditKeyRevoked         AuditKind = "key.revoked"
	AuditSecretsReencrypted AuditKind = "keyring.reencrypted"
	AuditSecretsForgotten   AuditKind = "keyring.forgotten"
)

// Folds tells whether events of a kind that differ only in their time are one: every
// refusal, which can be caused at will. What succeeded is a row each.
func (k AuditKind) Folds() bool {
	switch k {
	case AuditPasswordRefused, AuditPasswordThrottled, AuditCodeRefused, AuditCodeReplayed, AuditCodeThrottled, AuditPasskeyRefused, AuditPasskeyThrottled,
		AuditRecoveryRefused, AuditRecoveryThrottled, AuditEmailRefused, AuditEmailThrottled,
		AuditAuthorizeRefused, AuditFlowForeign, AuditCodeReused, AuditRefreshReused, AuditRefreshLate,
		AuditRevocationRefused, AuditClientAuthFailed, AuditFederatedRefused, AuditFederatedPending, AuditOperationRefused:
		return true
	default:
		return false
	}
}

// AuditEvent is who did what to whom, from where, with what outcome. It is
// written in the transaction of the change, and the same JSON in API and exports.
type AuditEvent struct {
	ID           string    `json:"id"`
	At           time.Time `json:"at"`
	Kind         AuditKind `json:"kind"`
	ActorID      string    `json:"actor_id,omitempty"` // user who acted; empty: not known, a service (Detail says which), or the system
	UserID       string    `json:"user_id,omitempty"`  // user concerned
	PopulationID string    `json:"population,omitempty"`
	ClientID     string    `json:"client_id,omitempty"`
	SessionID    string    `json:"session_id,omitempty"`
	Address      string    `json:"address,omitempty"`
	UserAgent    string    `json:"user_agent,omitempty"`
	RequestID    string    `json:"request_id,omitempty"`
	// Times is how often it happened, and LastAt when it did last, of an event that
	// happened more than once: refusals of one kind to one actor from one network within an
	// hour are one event (AuditKind.Folds). Zero of all others.
	Times  int       `json:"times,omitempty"`
	LastAt time.Time `json:"last_at,omitzero"`
	// Detail holds what else matters, without secrets.
	Detail map[string]string `json:"detail"`
}
