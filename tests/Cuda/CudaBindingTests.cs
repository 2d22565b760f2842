using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>What cannot be used is refused with a message that says what was looked for.</summary>
[Category("Cuda")]
public sealed unsafe class CudaBindingTests
{
    [Test]
    public void A_missing_driver_is_named_with_what_to_do()
    {
        CudaException missing = Assert.Throws<CudaException>(() => CudaDriver.Open("no-such/libcuda.so.1"))!;
        Assert.That(missing.Message, Does.Contain("no-such/libcuda.so.1: there is no such file"));
    }

    [Test]
    public void Every_place_that_was_looked_in_is_named()
    {
        CudaException missing = Assert.Throws<CudaException>(
            () => CudaLibrary.Open("The thing", ["libpd-none-a.so", "libpd-none-b.so"], "Do without."))!;
        Assert.That(missing.Message, Does.Contain("libpd-none-a.so").And.Contain("libpd-none-b.so")
            .And.EndWith("Do without."));
    }

    [Test]
    public void A_library_without_the_entry_points_is_no_driver()
    {
        CudaException foreign = Assert.Throws<CudaException>(() => CudaDriver.Open("libc.so.6"))!;
        Assert.That(foreign.Message, Does.Contain("libc.so.6 is no CUDA driver (has no cuInit)"));
    }

    [Test]
    public void A_driver_that_is_too_old_says_which_would_do()
    {
        StandIn.Reset();
        StandIn.SetDriverVersion(11080);
        CudaException old = Assert.Throws<CudaException>(() => CudaDriver.Open(StandIn.Path))!;
        Assert.That(old.Message, Does.Contain("CUDA 11.8").And.Contain("12.4 or newer"));
    }

    [Test]
    public void A_driver_without_a_gpu_says_so()
    {
        StandIn.Reset(deviceCount: 0);
        CudaException none = Assert.Throws<CudaException>(() => CudaDriver.Open(StandIn.Path))!;
        Assert.That(none.Message, Does.Contain("has no GPU"));
    }

    [Test]
    public void A_gpu_that_is_not_there_is_refused_with_how_many_are()
    {
        CudaDriver driver = StandIn.Open(deviceCount: 2);
        CudaException none = Assert.Throws<CudaException>(() => CudaDevice.Open(driver, 2))!;
        Assert.That(none.Message, Does.Contain("no GPU 2").And.Contain("has 2"));
    }

    [Test]
    public void A_failed_call_names_itself_and_the_drivers_words()
    {
        using CudaRig rig = new();
        CudaException full = Assert.Throws<CudaException>(() => rig.Device(1 << 28))!;
        Assert.That(full.Result, Is.EqualTo(CudaResult.OutOfMemory));
        Assert.That(full.Message, Does.Contain("cuMemAlloc of 1073741824 bytes")
            .And.Contain("CUDA_ERROR_OUT_OF_MEMORY (2)"));
    }

    [Test]
    public void What_is_made_is_given_back()
    {
        CudaDriver driver = StandIn.Open(deviceCount: 1);
        using (CudaContext context = CudaContext.Open(driver, CudaDevice.Open(driver, 0)))
        {
            using CudaStream stream = new(context);
            using CudaEvent done = new(context);
            using CudaBuffer buffer = new(context, 100);
            using CudaPool pool = new(context, 100, [context.Device]);
            using CudaModule module = new(context, CudaRig.Image("entry pd_standin_probe 24"));
            stream.BeginCapture();
            using CudaGraph graph = stream.EndCapture();
            Assert.That(StandIn.LiveObjects(), Is.EqualTo(4));
            Assert.That(StandIn.UsedBytes(0), Is.GreaterThan(200));
        }
        Assert.That(StandIn.LiveObjects(), Is.Zero);
        Assert.That(StandIn.UsedBytes(0), Is.Zero);
    }

    [Test]
    public void A_device_says_what_it_is()
    {
        CudaDriver driver = StandIn.Open(deviceCount: 1, megabytes: 32);
        StandIn.SetCapability(80);
        CudaDevice device = CudaDevice.Open(driver, 0);
        Assert.That(device.Capability, Is.EqualTo(80));
        Assert.That(device.TotalBytes, Is.EqualTo(32 << 20));
        Assert.That(device.Name, Is.EqualTo("stand-in 0"));
    }

    [Test]
    public void Structs_have_the_drivers_sizes()
    {
        Assert.That(sizeof(CudaAllocation), Is.EqualTo(32));
        Assert.That(sizeof(CudaAccess), Is.EqualTo(12));
        Assert.That(sizeof(CudaCopyAttributes), Is.EqualTo(24));
    }
}
