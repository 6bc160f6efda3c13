// Package registration owns the endpoints by which apps register themselves and look after
// their registration: dynamic client registration (RFC 7591, OpenID Connect Dynamic Client
// Registration 1.0) and its management (RFC 7592). It does not know what an app may ask for:
// idp/manage/apps does.
package registration
