package mfa_test

import (
	"bytes"
	"encoding/base32"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"pgregory.net/rapid"

	"gatehouse/mfa"
)

// rfcKey is the key of RFC 6238 appendix B for SHA-1.
var rfcKey = []byte("12345678901234567890")

func codeAt(t interface{ Fatal(...any) }, key []byte, at time.Time) string {
	code, err := totp.GenerateCode(base32.StdEncoding.EncodeToString(key), at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// The vectors of RFC 6238 appendix B, of whose eight digits six-digit codes are
// the last six.
func TestTOTPVectors(t *testing.T) {
	for unix, code := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471",
		1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		step, err := mfa.MatchTOTP(rfcKey, code[2:], time.Unix(unix, 0), 0)
		if err != nil || step != unix/30 {
			t.Errorf("%d: step %d, %v", unix, step, err)
		}
	}
}

func TestTOTPWindowIsOneStepEitherSide(t *testing.T) {
	now := time.Unix(1_700_000_010, 0)
	present := now.Unix() / 30
	for away, want := range map[int64]error{-2: mfa.ErrWrongCode, -1: nil, 0: nil, 1: nil, 2: mfa.ErrWrongCode} {
		code := codeAt(t, rfcKey, now.Add(time.Duration(away)*30*time.Second))
		step, err := mfa.MatchTOTP(rfcKey, code, now, 0)
		if !errors.Is(err, want) || (err == nil && step != present+away) {
			t.Errorf("%+d steps: step %d, %v, want %v", away, step, err, want)
		}
	}
}

func TestTOTPCodeOfAnOlderStepIsAReplay(t *testing.T) {
	now := time.Unix(1_700_000_010, 0)
	code := codeAt(t, rfcKey, now)
	step, err := mfa.MatchTOTP(rfcKey, code, now, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, last := range []int64{step, step + 1, step + 1000} {
		if _, err := mfa.MatchTOTP(rfcKey, code, now, last); !errors.Is(err, mfa.ErrReplayed) {
			t.Errorf("after step %+d: %v", last-step, err)
		}
	}
	if _, err := mfa.MatchTOTP(rfcKey, code, now, step-1); err != nil {
		t.Errorf("after the step before: %v", err)
	}
}

func TestTOTPCodeAsPeopleTypeIt(t *testing.T) {
	at := time.Unix(59, 0)
	for typed, want := range map[string]error{
		"287082": nil, " 287 082 ": nil, "287-082": nil, "287\u00a0082": nil, "287\u2013082": nil,
		"２８７０８２": nil, "2870 82\n": nil,
		"287083": mfa.ErrWrongCode,
		"":       mfa.ErrCodeFormat, "28708": mfa.ErrCodeFormat, "2870821": mfa.ErrCodeFormat,
		"28708a": mfa.ErrCodeFormat, "+87082": mfa.ErrCodeFormat, "28708\x00": mfa.ErrCodeFormat,
		"٢٨٧٠٨٢": nil, "287082" + strings.Repeat(" ", 200): nil, "287082" + strings.Repeat(" ", 9000): mfa.ErrCodeFormat,
	} {
		if _, err := mfa.MatchTOTP(rfcKey, typed, at, 0); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", typed, err, want)
		}
	}
}

func TestTOTPNeedsAKey(t *testing.T) {
	for _, key := range [][]byte{nil, {}, make([]byte, 15)} {
		code := codeAt(t, key, time.Unix(59, 0))
		if step, err := mfa.MatchTOTP(key, code, time.Unix(59, 0), 0); err == nil {
			t.Errorf("a key of %d bytes matched step %d", len(key), step)
		}
	}
}

// Whatever is tried and in whatever order, no step is accepted twice, and none
// after a later one.
func TestTOTPStepIsAcceptedAtMostOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "key")
		now := time.Unix(rapid.Int64Range(60, 4_000_000_000).Draw(t, "start"), 0)
		var last int64
		for range rapid.IntRange(1, 30).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.IntRange(-40, 40).Draw(t, "seconds")) * time.Second)
			away := time.Duration(rapid.IntRange(-3, 3).Draw(t, "away")) * 30 * time.Second
			step, err := mfa.MatchTOTP(key, codeAt(t, key, now.Add(away)), now, last)
			if err != nil {
				continue
			}
			if step <= last {
				t.Fatalf("step %d accepted after %d", step, last)
			}
			last = step
		}
	})
}

func FuzzMatchTOTP(f *testing.F) {
	f.Add("287082", int64(59), int64(0))
	f.Add("２８７ ０８２", int64(-59), int64(-9))
	f.Add("\xff", int64(1<<62), int64(1<<62))
	f.Fuzz(func(t *testing.T, code string, unix, last int64) {
		now := time.Unix(unix, 0)
		step, err := mfa.MatchTOTP(rfcKey, code, now, last)
		if err == nil && (step <= last || step < 0 || step*30-30 > unix+30 || step*30+60 <= unix) {
			t.Errorf("%q at %d after %d: step %d", code, unix, last, step)
		}
		known := errors.Is(err, mfa.ErrCodeFormat) || errors.Is(err, mfa.ErrWrongCode) || errors.Is(err, mfa.ErrReplayed)
		if err != nil && !known {
			t.Errorf("untyped error %v", err)
		}
	})
}

func TestNextCodeIn(t *testing.T) {
	for unix, want := range map[int64]int{0: 30, 1: 29, 29: 1, 30: 30, -1: 1, -30: 30} {
		if got := mfa.NextCodeIn(time.Unix(unix, 999)); got != want {
			t.Errorf("at %d: %d, want %d", unix, got, want)
		}
	}
}

func TestTOTPURLIsReadAsItWasMeant(t *testing.T) {
	key := mfa.NewTOTPKey()
	for _, c := range []struct{ label, account, issuer, name string }{
		{"RTX Solutions – Agents", "maya@rtx.example", "RTX Solutions – Agents", "maya@rtx.example"},
		{"RTX: Agents", "a:b@rtx.example", "RTX Agents", "a b@rtx.example"},
		{"Fish & Chips + 100%", "maya+test@rtx.example", "Fish & Chips + 100%", "maya+test@rtx.example"},
		{"A/B?c=d#e", "x/y?z@rtx.example", "A/B?c=d#e", "x/y?z@rtx.example"},
		{"", "maya@rtx.example", "", "maya@rtx.example"},
	} {
		text := mfa.TOTPURL(c.label, c.account, key)
		read, err := otp.NewKeyFromURL(text)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(read.Type(), read.Issuer(), read.AccountName(), read.Secret(), read.Algorithm(), read.Digits(), read.Period())
		want := fmt.Sprint("totp", c.issuer, c.name, strings.ReplaceAll(mfa.TOTPKeyText(key), " ", ""), otp.AlgorithmSHA1, otp.DigitsSix, 30)
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", text, got, want)
		}
		if strings.ContainsAny(text, "+ ") || strings.Count(text, ":") > 2 {
			t.Errorf("apps will misread %s", text)
		}
		if u, err := url.Parse(text); err != nil || u.Query().Get("issuer") != c.issuer {
			t.Errorf("issuer of %s", text)
		}
	}
}

func TestTOTPKeyText(t *testing.T) {
	if got, want := mfa.TOTPKeyText(rfcKey), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if len(mfa.NewTOTPKey()) != 20 || bytes.Equal(mfa.NewTOTPKey(), mfa.NewTOTPKey()) {
		t.Error("keys are not 160 random bits")
	}
}

func TestTOTPImageHasAQuietZoneAndWholeModules(t *testing.T) {
	picture, width, err := mfa.TOTPImage(mfa.TOTPURL("RTX Solutions – Agents", "maya@rtx.example", rfcKey))
	if err != nil {
		t.Fatal(err)
	}
	size := 2 * width
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil || img.Bounds() != image.Rect(0, 0, size, size) || width < 260 || width > 328 {
		t.Fatalf("%v, %v: %d pixels on a page", img.Bounds(), err, width)
	}
	// The finder pattern in the corner begins with a black run of 7 modules.
	corner := firstBlack(img)
	run := 0
	for black(img, corner+run, corner) {
		run++
	}
	module := run / 7
	if run%7 != 0 || module < 2*4 {
		t.Errorf("a module is %d/7 pixels wide, and two are one on a page", run)
	}
	for i := range size {
		for border := range 4 * module {
			if black(img, i, border) || black(img, border, i) || black(img, size-1-border, i) || black(img, i, size-1-border) {
				t.Fatalf("black pixel %d in a quiet zone of %d", border, 4*module)
			}
		}
	}
}

func firstBlack(img image.Image) int {
	at := 0
	for !black(img, at, at) {
		at++
	}
	return at
}

func black(img image.Image, x, y int) bool {
	r, _, _, _ := img.At(x, y).RGBA()
	return r == 0
}

func TestTOTPImageThatIsTooLong(t *testing.T) {
	if _, _, err := mfa.TOTPImage(strings.Repeat("x", 5000)); err == nil {
		t.Error("no error")
	}
}

// A camera that is not in focus reads the code: another library's decoder finds the URL in
// a picture in which each pixel is mixed with those around it, up to half a module.
func TestBlurredQRCodesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		label, account string
		blur           int
	}{
		"short":         {"RTX Solutions – Agent App", "maya@rtx.example", 3},
		"long Cyrillic": {strings.Repeat("Служба поддержки ", 3) + "и агентов", "александра.константинопольская@поддержка.example", 2},
		"long CJK":      {strings.Repeat("株式会社サポートデスク", 5), "maya.of.the.long.address@support.rtx.example", 2},
		"the longest":   {strings.Repeat("局", 64), strings.Repeat("n", 64) + "@rtx.example", 2},
	} {
		text := mfa.TOTPURL(c.label, c.account, rfcKey)
		picture, width, err := mfa.TOTPImage(text)
		if err != nil {
			t.Fatal(err)
		}
		sharp, err := png.Decode(bytes.NewReader(picture))
		if err != nil {
			t.Fatal(err)
		}
		seen, err := gozxing.NewBinaryBitmapFromImage(photograph(sharp, c.blur))
		if err != nil {
			t.Fatal(err)
		}
		read, err := qrcode.NewQRCodeReader().Decode(seen, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true})
		if err != nil || read.GetText() != text {
			t.Errorf("%s: %v, of %d bytes in %d pixels", name, err, len(text), width)
		}
	}
}

// photograph shows a picture, each pixel mixed with those up to blur away and with the
// contrast of a screen in daylight, on a dark page.
func photograph(sharp image.Image, blur int) image.Image {
	const margin = 40
	size := sharp.Bounds().Dx()
	light := func(x, y int) int {
		if x < 0 || y < 0 || x >= size || y >= size {
			return 60
		}
		return 90 + int(color.GrayModel.Convert(sharp.At(x, y)).(color.Gray).Y)/2
	}
	img := image.NewGray(image.Rect(0, 0, size+2*margin, size+2*margin))
	for y := range size + 2*margin {
		for x := range size + 2*margin {
			sum, n := 0, 0
			for dy := -blur; dy <= blur; dy++ {
				for dx := -blur; dx <= blur; dx++ {
					sum, n = sum+light(x+dx-margin, y+dy-margin), n+1
				}
			}
			img.SetGray(x, y, color.Gray{Y: uint8(sum / n)})
		}
	}
	return img
}
