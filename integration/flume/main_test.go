//go:build integration

package flume

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/sluice-etl/sluice/internal/etltest"
	"github.com/sluice-etl/sluice/internal/jvmtest"
)

var rewrite = etltest.Rewrite()

// versions are the two release lines of Flume in use: Avro 1.7 on Netty 3, and Avro 1.11 on Netty 4.
var versions = []jvmtest.Set{jvmtest.Flume19, jvmtest.Flume111}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
