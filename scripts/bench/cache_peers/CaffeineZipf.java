// SPDX-License-Identifier: Apache-2.0
import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.SplittableRandom;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Get, and put on a miss, as `cachebench run` does it: keys of 16 bytes made beforehand, zipf, values of 100 bytes.
 * Arguments: threads, keys, capacity, value bytes, exponent. Reads seconds from standard input, a number a line, works
 * for as long each time, and prints operations, processor seconds of the process (JIT and GC included), hits.
 */
public final class CaffeineZipf {
  private static final int REQUESTS = 1 << 20;
  private static volatile boolean stop;

  private static int[] requests(double[] cdf, int[] ranks, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    int[] result = new int[REQUESTS];
    for (int i = 0; i < REQUESTS; i++) {
      int at = java.util.Arrays.binarySearch(cdf, random.nextDouble() * cdf[cdf.length - 1]);
      result[i] = ranks[Math.min(at < 0 ? -at - 1 : at, ranks.length - 1)];
    }
    return result;
  }

  public static void main(String[] args) throws Exception {
    int threads = Integer.parseInt(args[0]);
    int count = Integer.parseInt(args[1]);
    int valueBytes = Integer.parseInt(args[3]);
    String[] keys = new String[count];
    double[] cdf = new double[count];
    int[] ranks = new int[count];
    double sum = 0;
    for (int i = 0; i < count; i++) {
      keys[i] = String.format("%016x", i);
      keys[i].hashCode();
      sum += Math.pow(i + 1, -Double.parseDouble(args[4]));
      cdf[i] = sum;
      ranks[i] = i;
    }
    SplittableRandom random = new SplittableRandom(1);
    for (int i = count; i > 1; i--) {
      int other = random.nextInt(i);
      int kept = ranks[i - 1];
      ranks[i - 1] = ranks[other];
      ranks[other] = kept;
    }
    int[][] requests = new int[threads][];
    for (int i = 0; i < threads; i++) requests[i] = requests(cdf, ranks, i + 7);
    // Each request has a key of its own, one after the other in memory: fetching keys is not what is measured.
    String[][] asked = new String[threads][REQUESTS];
    for (int t = 0; t < threads; t++) {
      for (int i = 0; i < REQUESTS; i++) {
        asked[t][i] = new String(keys[requests[t][i]].toCharArray());
        asked[t][i].hashCode();
      }
    }
    System.gc();
    int[] next = new int[threads];
    Cache<String, byte[]> cache = Caffeine.newBuilder().maximumSize(Long.parseLong(args[2])).build();
    var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    System.out.println("ready");
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      AtomicLong operations = new AtomicLong();
      AtomicLong hits = new AtomicLong();
      AtomicLong wrong = new AtomicLong();
      CountDownLatch done = new CountDownLatch(threads);
      stop = false;
      long cpu = system.getProcessCpuTime();
      for (int t = 0; t < threads; t++) {
        int thread = t;
        new Thread(() -> {
          long found = 0;
          long bad = 0;
          long all = 0;
          int at = next[thread];
          int[] mine = requests[thread];
          String[] names = asked[thread];
          while (!stop) {
            for (int i = 0; i < 64; i++) {
              int index = at++ & (REQUESTS - 1);
              int number = mine[index];
              byte[] value = cache.getIfPresent(names[index]);
              if (value != null) {
                found++;
                if (value[0] != (byte) number) bad++;
              } else {
                value = new byte[valueBytes];
                value[0] = (byte) number;
                cache.put(names[index], value);
              }
            }
            all += 64;
          }
          next[thread] = at & (REQUESTS - 1);
          operations.addAndGet(all);
          hits.addAndGet(found);
          wrong.addAndGet(bad);
          done.countDown();
        }).start();
      }
      Thread.sleep((long) (Double.parseDouble(line) * 1000));
      stop = true;
      done.await();
      double used = (system.getProcessCpuTime() - cpu) / 1e9;
      if (wrong.get() != 0) throw new IllegalStateException("wrong values");
      System.out.printf(java.util.Locale.ROOT, "%d %.6f %d%n", operations.get(), used, hits.get());
    }
  }
}
