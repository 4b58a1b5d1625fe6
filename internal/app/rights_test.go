package app

import (
	"bytes"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/sluice-etl/sluice/internal/mariadbtest"
	"github.com/sluice-etl/sluice/kafkaio"
)

// A receiver may describe its topics but not write to them: etl check names each missing privilege.
func TestCheck_kafkaRights(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Start(t)
	var acls []kfake.ACL
	for _, name := range []string{"logs", "logs.dlq"} {
		for _, op := range []kmsg.ACLOperation{kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs} {
			acls = append(acls, kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true})
		}
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableACLs(), kfake.EnableSASL(), kfake.SeedTopics(1, "logs", "logs.dlq"),
		kfake.User(kafkaio.Plain, "etl", "secret", acls...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cfg := config(t, k.ListenAddrs()[0], db.DSN(db.Database(t)))
	cfg.Kafka.SASL = kafkaio.SASL{Mechanism: kafkaio.Plain, User: "etl", Password: "secret"}
	var out bytes.Buffer
	if err := Check(t.Context(), cfg, &out); err == nil || !strings.Contains(err.Error(), "4 permissions") {
		t.Errorf("got %v, expected 4 missing permissions\n%s", err, &out)
	}
	for _, want := range []string{"WRITE on topic logs;", "READ on topic logs;", "WRITE on topic logs.dlq;", "READ on group etl;"} {
		if !strings.Contains(out.String(), "Kafka does not allow "+want) {
			t.Errorf("the output lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "READ on topic logs.dlq") {
		t.Errorf("a loader needs no .dlq:\n%s", &out)
	}
}
