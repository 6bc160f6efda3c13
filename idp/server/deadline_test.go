package server

import (
	"testing"

	"gatehouse/idp/web"
)

func TestARequestsOwnDeadlineLiesBelowTheServers(t *testing.T) {
	if web.AnswerWithin >= writeTimeout || web.AnswerWithin > StopTimeout {
		t.Errorf("%s, writes end after %s, a stop after %s", web.AnswerWithin, writeTimeout, StopTimeout)
	}
}
