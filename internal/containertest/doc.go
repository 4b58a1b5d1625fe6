// Package containertest runs MySQL, MariaDB or Apache Kafka for tests in a container, with testcontainers-go.
//
// Any image works that follows the conventions of the official ones: for [MySQL] the variable MYSQL_ROOT_PASSWORD, and
// arguments that are passed to the server; for [Kafka] /etc/kafka/docker/run, which reads its settings from KAFKA_…
// variables. Environment variables select the images: [MySQLImages], [KafkaImage].
//
// Close removes a container; a test registers it with t.Cleanup before anything else can fail. A small shell that holds
// the other end of a pipe removes the container too when that pipe closes, so that even SIGKILL of the tests leaves
// none behind if the docker command is installed. Ryuk, testcontainers' own mechanism for this, would be one more image
// to pull; it is not used unless TESTCONTAINERS_RYUK_DISABLED=false.
//
// If no engine replies, or it cannot pull the image, the error wraps [ErrUnavailable]: the test is skipped with a line
// that begins with "CANNOT RUN:", which scripts/test lists; with ETL_TEST_REQUIRE_CONTAINERS=1 it fails instead.
package containertest
