package mfa

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strings"
	"time"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// What authenticator apps agree on (RFC 6238 sections 4 and 5.2). SHA-1 is what
// they all know; HMAC does not rest on its collision resistance.
const (
	// TOTPKeySize is the size of a new key in bytes: 160 bits, which RFC 4226
	// section 4 (R6) recommends.
	TOTPKeySize = 20
	// TOTPDigits is the length of a code.
	TOTPDigits = 6
	// TOTPPeriod is how long a time step lasts, in seconds.
	TOTPPeriod = 30
)

// minTOTPKey is the shortest key RFC 4226 section 4 (R6) allows: 128 bits. An
// empty one, of a row that was erased, would make codes that anyone computes.
const minTOTPKey = 16

var (
	// ErrCodeFormat: what was typed cannot be a code of this kind. It need not
	// count as a guess.
	ErrCodeFormat = errors.New("mfa: not in the form of a code")
	// ErrWrongCode: the code matches no time step near the present.
	ErrWrongCode = errors.New("mfa: wrong code")
	// ErrReplayed: the code is right and its time step, or a later one, was used
	// (RFC 6238 section 5.2: a code is accepted once).
	ErrReplayed = errors.New("mfa: code already used")
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewTOTPKey makes a random key of TOTPKeySize bytes.
func NewTOTPKey() []byte {
	key := make([]byte, TOTPKeySize)
	rand.Read(key) // never fails: crypto/rand ends the program instead
	return key
}

// TOTPKeyText is a key in base32 (RFC 4648 section 6), in groups of four
// characters, for people who type it into their app.
func TOTPKeyText(key []byte) string {
	return grouped(base32Text.EncodeToString(key), " ")
}

// longIssuer is how long an issuer may be, in bytes as the URL has it, to be said twice.
const longIssuer = 120

// TOTPURL is the otpauth URL that apps read from a QR code or a link (the Key
// URI Format of Google Authenticator). A colon separates issuer and account in
// its label, and apps split there even where it is escaped, so each colon inside
// them becomes a space. Algorithm, digits and period are the defaults, and not said: each
// letter less makes the QR code easier to read. A long issuer stands in its parameter alone
// and not before the account as well, which older apps read.
func TOTPURL(issuerLabel, account string, key []byte) string {
	issuer, account := labelPart(issuerLabel), labelPart(account)
	label := escape(account)
	query := "secret=" + base32Text.EncodeToString(key)
	if issuer = escape(issuer); issuer != "" {
		query += "&issuer=" + issuer
		if len(issuer) <= longIssuer {
			label = issuer + ":" + label
		}
	}
	return "otpauth://totp/" + label + "?" + query
}

// labelPart also joins lines: a label is shown on one.
func labelPart(text string) string { return oneLine(strings.ReplaceAll(text, ":", " ")) }

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// escape percent-encodes everything that is not unreserved. Spaces become %20:
// apps show a "+" as a plus sign. The encoding of github.com/pquerna/otp leaves
// "&" as it is, which would end the issuer there.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// quietZone is the white border around a QR code in modules (ISO/IEC
// 18004): without it scanners do not find the code on a dark page.
const quietZone = 4

// The least sizes on a page, in CSS pixels, that cheap cameras read: of a whole QR code,
// and of one module of it.
const (
	leastQRCode = 260
	leastModule = 4
)

// density is how many pixels of the picture one CSS pixel is, for sharp screens.
const density = 2

// TOTPImage draws a URL as a QR code in a PNG; width is how wide it is to be shown, in CSS
// pixels, quiet zone included. Its error correction is the least (level L): the picture is
// on a screen, where nothing scratches it, and fewer modules are larger ones. Modules are
// whole pixels, so that no scaling blurs them. It fails when the URL is longer than any QR
// code, about 2900 bytes.
func TOTPImage(url string) (picture []byte, width int, err error) {
	code, err := qr.Encode(url, qr.L, qr.Auto)
	if err != nil {
		return nil, 0, fmt.Errorf("mfa: drawing a QR code: %w", err)
	}
	modules := code.Bounds().Dx() + 2*quietZone
	module := max(leastModule, (leastQRCode+modules-1)/modules)
	var out bytes.Buffer
	if err := png.Encode(&out, framed(code, module*density)); err != nil {
		return nil, 0, fmt.Errorf("mfa: drawing a QR code: %w", err)
	}
	return out.Bytes(), modules * module, nil
}

// framed draws a code in the middle of a white square, each module scale pixels
// wide.
func framed(code barcode.Barcode, scale int) image.Image {
	width, offset := code.Bounds().Dx()*scale, quietZone*scale
	size := width + 2*offset
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for y := range width {
		for x := range width {
			if color.GrayModel.Convert(code.At(x/scale, y/scale)) == (color.Gray{}) {
				img.SetColorIndex(offset+x, offset+y, 1)
			}
		}
	}
	return img
}

// MatchTOTP finds the time step of a code: the present one or one either side
// (RFC 6238 section 5.2), and later than lastStep, the last that was accepted.
// The caller stores the step by a conditional update, so that of two requests
// with one code only one wins.
//
// The code is read as CodeDigits does. It fails with ErrCodeFormat, ErrWrongCode or ErrReplayed.
func MatchTOTP(key []byte, code string, now time.Time, lastStep int64) (step int64, err error) {
	digits, err := CodeDigits(code)
	if err != nil {
		return 0, err
	}
	present := timeStep(now)
	latest := int64(-1)
	// All three are always computed, so that time does not tell which matched.
	// Should two steps have the same code, the later one counts: accepting the
	// earlier would leave the same digits good for once more.
	for candidate := present - 1; candidate <= present+1; candidate++ {
		want, err := totpCode(key, candidate)
		if err != nil {
			return 0, err
		}
		if subtle.ConstantTimeCompare([]byte(digits), []byte(want)) == 1 {
			latest = candidate
		}
	}
	switch {
	case latest < 0:
		return 0, ErrWrongCode
	case latest <= lastStep:
		return 0, ErrReplayed
	}
	return latest, nil
}

// NextCodeIn is in how many seconds authenticator apps show the next code: 1 to
// TOTPPeriod.
func NextCodeIn(now time.Time) int {
	into := now.Unix() % TOTPPeriod
	if into < 0 {
		into += TOTPPeriod
	}
	return int(TOTPPeriod - into)
}

// timeStep is T of RFC 6238 section 4.2, with T0 = 0.
func timeStep(now time.Time) int64 {
	return (now.Unix() + int64(NextCodeIn(now)) - TOTPPeriod) / TOTPPeriod
}

func totpCode(key []byte, step int64) (string, error) {
	if len(key) < minTOTPKey {
		return "", errors.New("mfa: TOTP key is too short")
	}
	// A step before 1970 wraps around; MatchTOTP accepts none of those.
	return hotp.GenerateCodeCustom(base32Text.EncodeToString(key), uint64(step), hotp.ValidateOpts{ // #nosec G115
		Digits: TOTPDigits, Algorithm: otp.AlgorithmSHA1,
	})
}

// grouped puts sep after every four characters of an ASCII text.
func grouped(text, sep string) string {
	var b strings.Builder
	for i := range len(text) {
		if i > 0 && i%4 == 0 {
			b.WriteString(sep)
		}
		b.WriteByte(text[i])
	}
	return b.String()
}
