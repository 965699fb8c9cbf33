// SPDX-License-Identifier: Apache-2.0
package perfkit.bench;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.lang.management.ManagementFactory;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/** One operation is getConnection() and close(), on connections that do nothing. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
public class PoolCycle {
  @Param({"32", "16"})
  public int pool;

  private HikariDataSource source;

  @Setup(Level.Trial)
  public void open() throws SQLException {
    HikariConfig config = new HikariConfig();
    config.setDataSource(new StubSource());
    config.setMaximumPoolSize(pool);
    config.setMinimumIdle(pool);
    config.setConnectionTimeout(8000);
    config.setAutoCommit(false);
    source = new HikariDataSource(config);
    // Full before the first operation, as ours is.
    Connection[] all = new Connection[pool];
    for (int i = 0; i < pool; i++) all[i] = source.getConnection();
    for (Connection one : all) one.close();
  }

  @TearDown(Level.Trial)
  public void close() {
    source.close();
  }

  @Benchmark
  public Connection cycle() throws SQLException {
    Connection connection = source.getConnection();
    connection.close();
    return connection;
  }

  /** Operations per second of the process's processor time, of each measured iteration. */
  public static class PerCpuSecond implements InternalProfiler {
    private long before;

    private static long cpuNanos() {
      return ((com.sun.management.OperatingSystemMXBean)
              ManagementFactory.getOperatingSystemMXBean())
          .getProcessCpuTime();
    }

    @Override
    public String getDescription() {
      return "operations per second of processor time";
    }

    @Override
    public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
      before = cpuNanos();
    }

    @Override
    public Collection<? extends Result> afterIteration(
        BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
      double seconds = (cpuNanos() - before) / 1e9;
      double operations = result.getMetadata().getAllOps();
      return List.of(
          new ScalarResult(
              "ops_per_cpu_s", operations / seconds, "ops/s", AggregationPolicy.AVG));
    }
  }
}
