package mail_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"gatehouse/idp"
	"gatehouse/idp/mail"
)

func TestCheck(t *testing.T) {
	good := mail.Config{Server: "mail.rtx.example", From: "RTX Help <help@rtx.example>"}
	server := func(s string) func(c *mail.Config) { return func(c *mail.Config) { c.Server = s } }
	from := func(s string) func(c *mail.Config) { return func(c *mail.Config) { c.From = s } }
	secret := func(s string, security mail.Security) func(c *mail.Config) {
		return func(c *mail.Config) { c.Server, c.Security, c.Username, c.Password = s, security, userName, password }
	}
	for _, tt := range []struct {
		name   string
		change func(c *mail.Config)
		want   []string // fields that are wrong
	}{
		{"host", func(*mail.Config) {}, nil},
		{"host and port", server("mail.rtx.example:2525"), nil},
		{"IPv4", server("192.0.2.1:25"), nil},
		{"IPv6 and port", server("[2001:db8::1]:25"), nil},
		{"IPv6 in brackets", server("[2001:db8::1]"), nil},
		{"IPv6", server("2001:db8::1"), nil},
		{"international host", server("münchen.example:25"), nil},
		{"no server", server(""), []string{"smtp-server"}},
		{"no host", server(":25"), []string{"smtp-server"}},
		{"port 0", server("mail.rtx.example:0"), []string{"smtp-server"}},
		{"large port", server("mail.rtx.example:65536"), []string{"smtp-server"}},
		{"named port", server("mail.rtx.example:smtp"), []string{"smtp-server"}},
		{"URL", server("smtp://gatehouse:" + password + "@mail.rtx.example"), []string{"smtp-server"}},
		{"spaces", server("mail rtx"), []string{"smtp-server"}},
		{"line", server("mail.rtx.example\r\n:25"), []string{"smtp-server"}},
		{"STARTTLS", secret("mail.rtx.example", mail.StartTLS), nil},
		{"TLS", secret("mail.rtx.example", mail.TLS), nil},
		{"plain", func(c *mail.Config) { c.Security = mail.Plain }, nil},
		{"other security", func(c *mail.Config) { c.Security = "ssl" }, []string{"smtp-security"}},
		{"password in the clear", secret("mail.rtx.example", mail.Plain), []string{"smtp-username"}},
		{"password to a private network", secret("192.168.0.1:25", mail.Plain), []string{"smtp-username"}},
		{"password to a name like ours", secret("localhost.rtx.example", mail.Plain), []string{"smtp-username"}},
		{"password to localhost", secret("localhost", mail.Plain), nil},
		{"password to 127.0.0.2", secret("127.0.0.2:25", mail.Plain), nil},
		{"password to ::1", secret("[::1]:25", mail.Plain), nil},
		{"user alone", func(c *mail.Config) { c.Username = userName }, []string{"smtp-username"}},
		{"password alone", func(c *mail.Config) { c.Password = password }, []string{"smtp-username"}},
		{"NUL", func(c *mail.Config) { c.Username, c.Password = userName, password+"\x00" }, []string{"smtp-username"}},
		{"bare address", from("help@rtx.example"), nil},
		{"international sender", from("Hilfe <hilfe@münchen.example>"), nil},
		{"no sender", from(""), []string{"mail-from"}},
		{"name alone", from("RTX Help"), []string{"mail-from"}},
		{"two senders", from("help@rtx.example, maya@rtx.example"), []string{"mail-from"}},
		{"line in the sender", from("RTX\r\n Help <help@rtx.example>"), []string{"mail-from"}},
		{"hidden line in the sender", from("=?utf-8?q?RTX=0D=0ABcc:_x?= <help@rtx.example>"), []string{"mail-from"}},
		{
			"everything",
			func(c *mail.Config) { *c = mail.Config{Security: "ssl", Username: userName, From: "x"} },
			[]string{"smtp-server", "smtp-security", "smtp-username", "mail-from"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			err := c.Check()
			var fields []string
			if err != nil {
				for line := range strings.SplitSeq(err.Error(), "\n") {
					field, _, _ := strings.Cut(line, ": ")
					fields = append(fields, field)
				}
				if !errors.Is(err, idp.ErrInvalid) || strings.Contains(err.Error(), password) {
					t.Errorf("got %v", err)
				}
			}
			if !slices.Equal(fields, tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, made := mail.New(c); (made == nil) != (err == nil) {
				t.Errorf("New says %v, Check %v", made, err)
			}
		})
	}
}

func TestEnabled(t *testing.T) {
	if (mail.Config{From: "help@rtx.example"}).Enabled() || !(mail.Config{Server: "localhost"}).Enabled() {
		t.Error("a configuration is enabled by its server")
	}
}
