package federation_test

import (
	"crypto/x509"
	"testing"

	"gatehouse/idp/federation/certificate"
	"gatehouse/idp/idptest"
)

func parse(t *testing.T, pem string) []*x509.Certificate {
	t.Helper()
	c, err := certificate.Parse(pem)
	idptest.Must(t, err)
	return []*x509.Certificate{c}
}
