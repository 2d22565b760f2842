using PdEngine.Interop;

namespace PdEngine.Tests;

public sealed class DeviceSetTests
{
    [TestCase(4, 1, "0+4")]
    [TestCase(4, 2, "0+2 2+2")]
    [TestCase(5, 2, "0+2 2+3")]
    [TestCase(7, 3, "0+2 2+2 4+3")]
    [TestCase(2, 2, "0+1 1+1")]
    [TestCase(2, 4, "0+1 0+1 1+1 1+1")]
    [TestCase(1, 3, "0+1 0+1 0+1")]
    [TestCase(3, 4, "0+1 0+1 1+1 2+1")]
    public void Devices_are_runs_of_the_cores(int coreCount, int deviceCount, string expected)
    {
        IEnumerable<string> runs = Enumerable.Range(0, deviceCount)
            .Select(device => CpuDevices.RunOf(device, deviceCount, coreCount))
            .Select(run => $"{run.FirstCore}+{run.CoreCount}");
        Assert.That(string.Join(' ', runs), Is.EqualTo(expected));
    }

    [Test]
    public void Every_core_is_a_devices_and_no_other_core_is(
        [Values(1, 2, 3, 8, 31)] int coreCount, [Values(1, 2, 3, 4, 7, 64)] int deviceCount)
    {
        int[] owners = new int[coreCount];
        for (int device = 0; device < deviceCount; device++)
        {
            CoreRun run = CpuDevices.RunOf(device, deviceCount, coreCount);
            for (int core = run.FirstCore; core < run.FirstCore + run.CoreCount; core++)
                owners[core]++;
        }
        Assert.That(owners, deviceCount <= coreCount ? Is.All.EqualTo(1) : Is.All.GreaterThan(0));
    }

    [TestCase(BackendKind.Cpu, 2, 4, "4 devices share 2 cores")]
    [TestCase(BackendKind.Cpu, 1, 2, "2 devices share 1 core")]
    [TestCase(BackendKind.Cpu, 2, 2, null)]
    [TestCase(BackendKind.Cpu, 3, 1, null)]
    [TestCase(BackendKind.Reference, 2, 3, "3 devices share 2 cores")]
    [TestCase(BackendKind.Reference, 2, 1, null)]
    public void Shared_cores_are_a_notice(BackendKind kind, int threads, int deviceCount, string? notice)
    {
        using DeviceSet set = Backends.OpenDevices(kind, CpuIsa.Auto, threads, deviceCount, lendsCores: true);
        Assert.That(set.Devices, Has.Count.EqualTo(deviceCount));
        Assert.That(set.Notice, Is.EqualTo(notice));
        Assert.That(set.LentTiles, Is.Zero);
    }

    [Test]
    public void Weights_of_one_device_serve_another_of_the_set()
    {
        using DeviceSet set = Backends.OpenDevices(BackendKind.Cpu, CpuIsa.Auto, 2, 2, lendsCores: true);
        using Matrix table = TestTensors.Matrix(set.Devices[0], 40, 8, 1, CpuTestBackend.Values(1, 40 * 8));
        float[][] rows = new float[2][];
        foreach (int device in new[] { 0, 1 })
        {
            OnOwnThread(() =>
            {
                using Tensor output = CpuTestBackend.Rows(new float[2 * 8], 2, 8);
                set.Devices[device].Embed(table, [3, 39], output);
                rows[device] = TestTensors.Copy(output);
            });
        }
        TestTensors.AssertSameBits(rows[1], rows[0]);
    }

    [Test]
    public void A_caller_is_held_to_its_devices_first_core_and_no_other_thread_is()
    {
        if (HostCores.Allowed() is not { Count: > 1 } cores)
        {
            Assert.Ignore("needs two cores that the system lists");
            return;
        }
        using DeviceSet set = Backends.OpenDevices(BackendKind.Cpu, CpuIsa.Auto, 2, 2, lendsCores: true);
        using Matrix table = TestTensors.Matrix(set.Devices[0], 40, 8, 1, new float[40 * 8]);
        foreach (int device in new[] { 0, 1 })
        {
            OnOwnThread(() =>
            {
                Assert.That(AllowedHere(), Is.EqualTo(cores), "before its first op");
                using Tensor output = CpuTestBackend.Rows(new float[8], 1, 8);
                set.Devices[device].Embed(table, [3], output);
                Assert.That(AllowedHere(), Is.EqualTo(new[] { cores[device] }));
                OnOwnThread(() => Assert.That(AllowedHere(), Is.EqualTo(cores), "a thread it made"));
            });
        }
        Assert.That(HostCores.Allowed(), Is.EqualTo(cores));
    }

    private static IReadOnlyList<int>? AllowedHere()
    {
        const string name = "Cpus_allowed_list:";
        string line = File.ReadLines("/proc/thread-self/status")
            .First(line => line.StartsWith(name, StringComparison.Ordinal));
        return HostCores.Parse(line[name.Length..]);
    }

    private static void OnOwnThread(Action work)
    {
        Exception? failed = null;
        Thread thread = new(() =>
        {
            try
            {
                work();
            }
            catch (Exception exception)
            {
                failed = exception;
            }
        });
        thread.Start();
        thread.Join();
        if (failed is not null)
            throw new AssertionException(failed.Message, failed);
    }
}
