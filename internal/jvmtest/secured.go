package jvmtest

import (
	"net"
	"strconv"
	"strings"
	"testing"
)

// SecuredBroker is a Broker with Kafka's StandardAuthorizer. At Addr everything is allowed; at Secured users log in
// with SASL PLAIN and may do what ACLs allow.
type SecuredBroker struct {
	*Broker
	secured string
}

// Secured returns the host:port at which users log in.
func (b *SecuredBroker) Secured() string { return b.secured }

// StartSecuredBroker starts a broker as StartBroker does, with users, given as passwords by name.
func StartSecuredBroker(t testing.TB, users map[string]string, settings ...string) *SecuredBroker {
	t.Helper()
	path, err := ClassPath(t.Context(), Kafka)
	must(t, err)
	var ports [3]string
	for i := range ports {
		port, err := freePort()
		must(t, err)
		ports[i] = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	open, quorum, secured := ports[0], ports[1], ports[2]
	login := []string{"org.apache.kafka.common.security.plain.PlainLoginModule", "required"}
	for name, password := range users {
		login = append(login, "user_"+name+`="`+password+`"`)
	}
	lines := []string{
		"listeners=PLAINTEXT://" + open + ",CONTROLLER://" + quorum + ",SECURED://" + secured,
		"advertised.listeners=PLAINTEXT://" + open + ",SECURED://" + secured,
		"controller.quorum.bootstrap.servers=" + quorum,
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_PLAINTEXT",
		"sasl.enabled.mechanisms=PLAIN",
		"listener.name.secured.plain.sasl.jaas.config=" + strings.Join(login, " ") + ";",
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS",
	}
	b, err := newBroker(t.Context(), t.TempDir(), path, append(lines, settings...))
	must(t, err)
	b.addr, b.name = open, "kafka "+open
	b.cleanup(t)
	must(t, b.Restart(t.Context()))
	return &SecuredBroker{Broker: b, secured: secured}
}
