// Package portal owns the demo's relying parties: the agent portal and the
// support portal, which sign people in at any OpenID provider, show who they are
// and how they proved it, and hear of their sign-out. It does not own accounts or
// passwords, and knows the provider only by its issuer URL and the specifications.
package portal
