// Package integration holds the tests that need real servers and real processes, the fault tests above all: the
// command is built with failpoints, run beside a broker and a MariaDB of their own processes, killed, frozen, cut off
// and set back, and in the end MySQL is compared with an independent count of what Kafka holds.
//
// Those whose names begin with TestReal_ have Apache Kafka itself and real Flume agents, as far as this machine can run
// them (package jvmtest); the others have an embedded broker in a process of its own.
//
// The tests are behind the build tag integration; scripts/test runs them. Each prints its seed, and takes it from the
// variable SLUICE_SEED.
package integration
