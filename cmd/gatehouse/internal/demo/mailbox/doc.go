// Package mailbox owns the demo's mail: an SMTP server that accepts everything and
// sends nothing on, a page to read it, and the part of Mailpit's API that tests
// need. It keeps mail in memory only and knows nothing of who sends it.
package mailbox
