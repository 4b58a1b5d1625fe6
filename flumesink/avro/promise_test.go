package avro

import (
	"context"
	"testing"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// suite supplies the bytes of the protocol.
var suite = receivertest.Suite{
	Start: func(t *testing.T, a receiver.Appender, change func(*receiver.Runtime)) *receivertest.Fixture {
		return start(t, a, func(_ *Config, rt *receiver.Runtime) {
			if change != nil {
				change(rt)
			}
		}).Fixture
	},
	Call: func(_ testing.TB, n int, es []receiver.Event) []byte {
		if n == 1 {
			return firstCall(1, es)
		}
		return laterCall(uint32(n), es)
	},
	OK: func(_ testing.TB, n int) []byte {
		if n == 1 {
			return okFirst(1)
		}
		return okLater(uint32(n))
	},
	Append: func(t *testing.T, g *receivertest.Fixture) func(context.Context, []receiver.Event) error {
		return (&fixture{Fixture: g}).client().Append
	},
	HalfFrame: readAhead + 4<<10,
}

func TestP23_ackTimeoutClosesUnanswered(t *testing.T) { suite.AckTimeoutClosesUnanswered(t) }
func TestP23_lateAckGetsNoReply(t *testing.T)         { suite.LateAckGetsNoReply(t) }
func TestP23_timeoutFromTheFirstByte(t *testing.T)    { suite.TimeoutFromTheFirstByte(t) }
func TestP23_nothingIsReadWhileNotReady(t *testing.T) { suite.NothingIsReadWhileNotReady(t) }
func TestP23_outageLongerThanAckTimeout(t *testing.T) { suite.OutageLongerThanAckTimeout(t) }
func TestP23_disconnectedSendersRequestIsDropped(t *testing.T) {
	suite.DisconnectedSendersRequestIsDropped(t)
}
func TestP23_appenderSeesDisconnects(t *testing.T) { suite.AppenderSeesDisconnects(t) }
func TestP23_closedConnectionsAreRemovedWhileNotReady(t *testing.T) {
	suite.ClosedConnectionsAreRemovedWhileNotReady(t)
}
func TestReceiver_slowLoris(t *testing.T)                  { suite.SlowLoris(t) }
func TestReceiver_truncatedFrame(t *testing.T)             { suite.TruncatedFrame(t) }
func TestP29_frameWaitsForRelease(t *testing.T)            { suite.FrameWaitsForRelease(t) }
func TestP33_gracefulStop(t *testing.T)                    { suite.GracefulStop(t) }
func TestP33_shutdownTimeoutClosesUnanswered(t *testing.T) { suite.ShutdownTimeoutClosesUnanswered(t) }
func TestP33_stopWhileNotReady(t *testing.T)               { suite.StopWhileNotReady(t) }
func TestReceiver_noReplyAfterAnError(t *testing.T)        { suite.NoReplyAfterAnError(t) }
func TestP24_eventAboveALimitIsADeadLetter(t *testing.T)   { suite.EventAboveALimitIsADeadLetter(t) }
func TestReceiver_frameAboveALimitClosesTheConnection(t *testing.T) {
	suite.FrameAboveALimitClosesTheConnection(t)
}
func TestReceiver_compressedBodiesAreDecompressed(t *testing.T) {
	suite.CompressedBodiesAreDecompressed(t)
}
