using System.Diagnostics;
using PdEngine.Interop;

namespace PdEngine.Tests;

public sealed class LendingTests
{
    // Far more than any machine needs: a test that comes here has failed.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Test]
    public void Results_are_bitwise_those_of_a_thread_alone(
        [Values(CpuIsa.Auto, CpuIsa.Avx2, CpuIsa.AmxEmulated)] CpuIsa isa,
        [Values(1, 2, 3, 4)] int deviceCount, [Values(1, 2, 5)] int coreCount, [Values] bool lends)
    {
        float[][] expected = DeviceLoad.Alone(isa);
        using CpuCrew crew = Crew(coreCount, deviceCount, lends);
        long lent = 0;
        Together(deviceCount, device =>
        {
            using DeviceLoad load = new(isa, crew, device);
            Random random = new(device);
            for (int turn = 0; turn < 4 * DeviceLoad.Count; turn++)
            {
                int op = random.Next(DeviceLoad.Count);
                TestTensors.AssertSameBits(load.Run(op), expected[op], $"device {device}, op {op}");
                if (random.Next(4) == 0)
                    load.Rest();
            }
            load.Rest();
            Interlocked.Add(ref lent, load.LentTiles);
        });
        if (!lends || deviceCount == 1)
            Assert.That(lent, Is.Zero);
    }

    [Test]
    public void Cores_of_a_device_at_rest_are_lent_and_those_of_a_busy_one_are_not()
    {
        using CpuCrew crew = Crew(coreCount: 4, deviceCount: 2, lends: true);
        using DeviceLoad busy = new(CpuIsa.Auto, crew, 0), other = new(CpuIsa.Auto, crew, 1);
        RunUntilLent(busy);
        for (int round = 0; round < 5; round++)
        {
            other.Run(0);
            long before = busy.LentTiles;
            RunAll(busy, rounds: 10);
            Assert.That(busy.LentTiles, Is.EqualTo(before), $"round {round}");
            other.Rest();
            RunUntilLent(busy);
        }
    }

    [Test]
    public void A_core_is_lent_once_all_devices_that_share_it_rest()
    {
        using CpuCrew crew = Crew(coreCount: 2, deviceCount: 4, lends: true);
        using DeviceLoad busy = new(CpuIsa.Auto, crew, 0), third = new(CpuIsa.Auto, crew, 2);
        using DeviceLoad fourth = new(CpuIsa.Auto, crew, 3);
        third.Run(0);
        fourth.Run(0);
        third.Rest();
        RunAll(busy, rounds: 10);
        Assert.That(busy.LentTiles, Is.Zero);
        fourth.Rest();
        RunUntilLent(busy);
    }

    [Test]
    public void No_core_is_lent_where_lending_is_off()
    {
        using CpuCrew crew = Crew(coreCount: 4, deviceCount: 2, lends: false);
        using DeviceLoad busy = new(CpuIsa.Auto, crew, 0), other = new(CpuIsa.Auto, crew, 1);
        for (int round = 0; round < 100; round++)
        {
            // Its threads are awake, and look for work.
            other.Run(3);
            other.Rest();
            RunAll(busy, rounds: 1);
        }
        Assert.That(busy.LentTiles, Is.Zero);
    }

    [Test]
    public void A_device_gets_on_while_its_cores_are_in_demand()
    {
        float[][] expected = DeviceLoad.Alone(CpuIsa.Auto);
        using CpuCrew crew = Crew(coreCount: 2, deviceCount: 2, lends: true);
        bool done = false;
        long lent = 0;
        Together(2, device =>
        {
            using DeviceLoad load = new(CpuIsa.Auto, crew, device);
            Stopwatch waited = Stopwatch.StartNew();
            try
            {
                for (int turn = 0; device == 0 ? !Volatile.Read(ref done) : IsShort(turn); turn++)
                {
                    int op = turn % DeviceLoad.Count;
                    TestTensors.AssertSameBits(load.Run(op), expected[op], $"device {device}, op {op}");
                    if (device == 0)
                        Volatile.Write(ref lent, load.LentTiles);
                    else
                        load.Rest();
                    Assert.That(waited.Elapsed, Is.LessThan(Patience), $"{lent} tiles lent");
                }
            }
            finally
            {
                Volatile.Write(ref done, true);
            }
        });
        bool IsShort(int turns) => !Volatile.Read(ref done) && (turns < 200 || Volatile.Read(ref lent) == 0);
    }

    [Test]
    public void Idle_threads_sleep([Values] bool lends)
    {
        using CpuCrew crew = Crew(coreCount: 4, deviceCount: 2, lends);
        using DeviceLoad first = new(CpuIsa.Auto, crew, 0), second = new(CpuIsa.Auto, crew, 1);
        RunAll(first, rounds: 1);
        RunAll(second, rounds: 1);
        CrewThreads.AwaitSleep();
        first.Rest();
        CrewThreads.AwaitSleep();
    }

    [TestCase(1, 1, true, 0)]
    [TestCase(5, 1, true, 4)]
    [TestCase(5, 2, false, 3)]
    [TestCase(5, 2, true, 5)]
    [TestCase(2, 4, false, 0)]
    [TestCase(2, 4, true, 2)]
    public void A_crew_has_the_threads_that_can_be_of_use_and_ends_them(
        int coreCount, int deviceCount, bool lends, int threadCount)
    {
        int before = CrewThreads.Count();
        for (int round = 0; round < 20; round++)
        {
            using CpuCrew crew = Crew(coreCount, deviceCount, lends);
            CrewThreads.AwaitCount(before + threadCount);
        }
        CrewThreads.AwaitCount(before);
    }

    [Test]
    public void A_crew_lives_as_long_as_its_last_team()
    {
        int before = CrewThreads.Count();
        CpuCrew crew = Crew(coreCount: 3, deviceCount: 2, lends: true);
        DeviceLoad first = new(CpuIsa.Auto, crew, 0), second = new(CpuIsa.Auto, crew, 1);
        crew.Dispose();
        RunAll(first, rounds: 1);
        first.Dispose();
        RunAll(second, rounds: 1);
        CrewThreads.AwaitCount(before + 3);
        second.Dispose();
        CrewThreads.AwaitCount(before);
    }

    private static CpuCrew Crew(int coreCount, int deviceCount, bool lends)
    {
        int[] cores = new int[coreCount];
        Array.Fill(cores, -1);
        CoreRun[] runs = new CoreRun[deviceCount];
        for (int device = 0; device < deviceCount; device++)
            runs[device] = CpuDevices.RunOf(device, deviceCount, coreCount);
        return CpuCrew.Create(cores, runs, lends);
    }

    private static void RunAll(DeviceLoad load, int rounds)
    {
        for (int round = 0; round < rounds; round++)
        {
            for (int op = 0; op < DeviceLoad.Count; op++)
                load.Run(op);
        }
    }

    private static void RunUntilLent(DeviceLoad load)
    {
        long before = load.LentTiles;
        Stopwatch waited = Stopwatch.StartNew();
        while (load.LentTiles == before)
        {
            Assert.That(waited.Elapsed, Is.LessThan(Patience), "nothing was lent");
            RunAll(load, rounds: 1);
        }
    }

    /// <summary>Runs each device's work on a thread of its own and fails as the first of them did.</summary>
    private static void Together(int deviceCount, Action<int> work)
    {
        Exception? failed = null;
        Thread[] threads = new Thread[deviceCount];
        for (int index = 0; index < deviceCount; index++)
        {
            int device = index;
            threads[device] = new(() =>
            {
                try
                {
                    work(device);
                }
                catch (Exception exception)
                {
                    Interlocked.CompareExchange(ref failed, exception, null);
                }
            });
            threads[device].Start();
        }
        foreach (Thread thread in threads)
            thread.Join();
        if (failed is not null)
            throw new AssertionException(failed.Message, failed);
    }
}
