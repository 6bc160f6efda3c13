// Package session owns sessions of signed-in browsers and the cookies that name
// browsers and sessions. It does not decide whether a session is good enough for
// a client (mfa does), nor how one comes about (login does).
package session
