// Package mail sends one mail through an SMTP server. It owns the connections,
// their protection and what a server's answer means; what mails say, and when a
// mail is tried again, is its callers' business.
//
// No error holds the mail's body, the password or the full recipient address.
// Servers put such things into their answers, so an answer is told by its codes
// alone once the server has heard a secret of ours (RFC 5321 section 4.2, RFC
// 3463).
package mail
