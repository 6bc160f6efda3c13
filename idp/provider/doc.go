// Package provider is the protocol: authorize, token, userinfo, end_session,
// discovery and keys. It adapts zitadel's op.Server to our store and closes what
// that library leaves open (each guard has a test). It does not know how people
// sign in: it stores a request and a flow, and takes over again in Resume.
//
// The library parses and routes; gates in front of it refuse what it would let
// pass, and carry pages and headers that it cannot send.
package provider
