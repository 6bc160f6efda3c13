package idp

// AuditKinds are all kinds of audit events.
func AuditKinds() []AuditKind {
	return []AuditKind{
		AuditSignedIn, AuditSignedOut, AuditSteppedUp, AuditClientAuthorized, AuditDeviceDenied, AuditPasswordAccepted,
		AuditPasswordRefused, AuditPasswordThrottled, AuditCodeRefused, AuditCodeReplayed, AuditCodeThrottled,
		AuditPasskeyRefused, AuditPasskeyThrottled,
		AuditFactorEnrolled, AuditFactorDisabled, AuditRecoveryGenerated, AuditRecoverySaved, AuditRecoveryUsed,
		AuditRecoveryRefused, AuditRecoveryThrottled, AuditRecoveryViewed, AuditEmailSent, AuditEmailRefused,
		AuditEmailThrottled, AuditFactorRemoved, AuditFactorRenamed, AuditEmailAsked, AuditEmailDropped,
		AuditDataTaken, AuditMFAReset, AuditPasswordChanged, AuditNewBrowser, AuditReminded, AuditBrowserTrusted, AuditBrowserForgotten, AuditInvited, AuditInvitationResent,
		AuditInvitationRevoked, AuditInvitationAccepted, AuditRegistrationAsked, AuditRegistered, AuditResetAsked,
		AuditResetUsed, AuditSetupOffered, AuditMailTested, AuditAuthorizeRefused, AuditFlowForeign, AuditCodeReused,
		AuditRefreshReused, AuditConsentGiven, AuditConsentDenied, AuditConsentNarrowed, AuditConsentWithdrawn, AuditGrantEnded, AuditRefreshLate, AuditTokenRevoked, AuditRevocationRefused,
		AuditClientAuthFailed, AuditUserCreated, AuditClientCreated, AuditPolicyChanged, AuditOverrideChanged,
		AuditUserChanged, AuditAddressShared, AuditUserDisabled, AuditUserEnabled, AuditUserDeleted,
		AuditUserAnonymised, AuditRolesChanged, AuditThrottleCleared, AuditFactorEnabled, AuditRoleCreated,
		AuditRoleChanged, AuditRoleDeleted, AuditClientChanged, AuditClientDeleted, AuditInitialTokenMade, AuditInitialTokenEnded, AuditSecretAdded,
		AuditSecretRemoved, AuditPopulationCreated, AuditPopulationChanged, AuditConnectionCreated,
		AuditConnectionChanged, AuditConnectionDeleted, AuditAccessChanged, AuditFederatedAccepted,
		AuditFederatedRefused, AuditFederatedPending, AuditIdentityLinked, AuditIdentityUnlinked, AuditRolesWithheld,
		AuditProfileSynced, AuditBreakGlassOffered, AuditBreakGlassUsed, AuditPasswordRules, AuditSessionRules,
		AuditDeliveriesRetried, AuditLogoutTested, AuditOperationRefused, AuditKeyCreated, AuditKeyRotated, AuditKeyRevoked,
		AuditSecretsReencrypted, AuditSecretsForgotten,
	}
}
