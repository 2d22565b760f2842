namespace PdEngine.Tests;

/// <summary>What a GPU cannot do is one clear message, and the CPU is there all the same.</summary>
[Category("Cuda")]
[CancelAfter(60_000)]
public sealed class CudaFaultTests
{
    private static EngineOptions Options =>
        CudaTestDevice.On(EngineRig.Options()) with { MaxTotalTokens = 1024 };

    [TearDown]
    public async Task The_cpu_still_computes()
    {
        await using Engine engine = await Engine.StartAsync(EngineRig.Options());
        Generation made = await engine.GenerateAsync(EngineRig.Requests(1, seed: 1)[0]);
        Assert.That(made.Error, Is.Null);
    }

    [Test]
    public void No_driver_is_said_with_where_it_was_looked_for()
    {
        BackendException refused = Refusal(Options with { CudaDriver = "no-such/libcuda.so.1" });
        Assert.That(refused.Message, Does.Contain("no-such/libcuda.so.1: there is no such file"));
    }

    [Test]
    public void A_library_that_is_no_driver_is_said()
    {
        BackendException refused = Refusal(Options with { CudaDriver = "libc.so.6" });
        Assert.That(refused.Message, Does.StartWith("libc.so.6 is no CUDA driver (has no cuInit)"));
    }

    [Test]
    public async Task Auto_computes_int8_on_the_cpu_and_says_why()
    {
        StandIn.Reset(megabytes: 256);
        await using Engine engine = await Engine.StartAsync(Options with
        {
            Backend = BackendKind.Auto, Quantization = Quantization.W8A8Int8,
        });
        Assert.That(engine.BackendName, Does.StartWith("cpu/"));
        Assert.That(engine.Notices[0], Does.Contain("auto: the CPU").And.Contain("w8a8_int8"));
    }

    [Test]
    public void An_old_driver_is_said()
    {
        StandIn.Reset();
        StandIn.SetDriverVersion(12020);
        Assert.That(Refusal(Options).Message, Does.Contain("12.2").And.Contain("12.4 or newer"));
    }

    [Test]
    public void A_gpu_of_too_low_a_capability_is_said()
    {
        StandIn.Reset();
        StandIn.SetCapability(75);
        Assert.That(Refusal(Options).Message, Does.Contain("capability 7.5").And.Contain("8.0 or more"));
    }

    [TestCase(80)]
    [TestCase(86, Description = "by PTX")]
    [TestCase(89)]
    [TestCase(90)]
    public void There_is_an_image_for_every_gpu_that_can_run_it(int capability)
    {
        StandIn.Reset();
        StandIn.SetCapability(capability);
        using CudaDevices devices = CudaDevices.Open(new CudaOptions { DriverPath = StandIn.Path }, 1);
        Assert.That(devices.Backends[0].Name, Is.EqualTo($"cuda/sm_{capability}"));
    }

    [Test]
    public void Too_little_memory_is_said()
    {
        StandIn.Reset(megabytes: 16);
        BackendException pool = Refusal(Options with { MaxTotalTokens = 1 << 20 });
        Assert.That(pool.Message, Does.Contain("KV cache needs").And.Contain("Lower max_total_tokens"));
        StandIn.Reset(megabytes: 1);
        Assert.That(Refusal(Options).Message, Does.Contain("OUT_OF_MEMORY").And.Contain("max_total_tokens")
            .And.Not.Contain("quantise"));
        StandIn.Reset();
        StandIn.Fail(StandIn.Allocation, after: 20);
        Assert.That(Refusal(Options).Message, Does.Contain("OUT_OF_MEMORY").And.Contain("GPU 0"));
        Assert.That(StandIn.LiveObjects(), Is.Zero, "what was made before is given back");
    }

    [Test]
    public void Weights_that_do_not_fit_are_said_with_what_helps()
    {
        using CudaDevices devices = CudaTestDevice.Open(megabytes: 1);
        BackendException weights = Assert.Throws<BackendException>(() => devices.Backends[0].LoadMatrix(
            1024, 1024, 1, MatrixElement.Native, (_, _, _) => { }))!;
        Assert.That(weights.Message, Does.Contain("OUT_OF_MEMORY").And.Contain("weights do not fit")
            .And.Not.Contain("max_total_tokens").And.Not.Contain("int8").And.Not.Contain("quantise"));
    }

    [Test]
    public void A_gpu_that_is_not_there_is_said()
    {
        StandIn.Reset(deviceCount: 1);
        OptionsException refused = Assert.ThrowsAsync<OptionsException>(
            () => Engine.StartAsync(Options with { Devices = "cuda:9" }))!;
        Assert.That(
            refused.Message, Does.Contain("devices").And.Contain("'cuda:9'").And.Contain("no GPU 9"));
    }

    [TestCase("", "('' names no file)")]
    [TestCase("/tmp", "(/tmp is a folder, not a file)")]
    public void A_driver_that_is_no_file_is_said(string path, string why) =>
        Assert.That(Refusal(Options with { CudaDriver = path }).Message, Does.Contain(why));

    [Test]
    public void A_library_that_only_begins_as_a_driver_does_is_said() =>
        Assert.That(
            Refusal(Options with { CudaDriver = LibraryStandIns.HalfDriver }).Message,
            Does.StartWith($"{LibraryStandIns.HalfDriver} is no CUDA driver (has no cuDriverGetVersion)"));

    [Test]
    public void A_library_that_is_no_cublaslt_is_said()
    {
        StandIn.Reset();
        Assert.That(
            Refusal(Options with { Gemm = GemmKind.CublasLt, CublasLibrary = "libm.so.6" }).Message,
            Does.StartWith("libm.so.6 is no cuBLASLt (has no cublasLtGetVersion)")
                .And.Contain("gemm at own"));
    }

    [Test]
    public async Task Auto_computes_on_the_cpu_where_an_image_is_damaged_and_says_which()
    {
        StandIn.Reset(megabytes: 256);
        string folder = TestFiles.Scratch();
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "sm_90a")).FullName,
            "gemm.cubin.br");
        byte[] whole = File.ReadAllBytes(
            Path.Combine(TestFiles.Root, "kernels", "cuda", "images", "sm_90a", "gemm.cubin.br"));
        File.WriteAllBytes(path, whole[..(whole.Length / 2)]);
        await using Engine engine = await Engine.StartAsync(Options with
        {
            Backend = BackendKind.Auto, Devices = null, CudaImages = folder, Gemm = GemmKind.CublasLt,
            CublasLibrary = LibraryStandIns.Cublas, PrefillSmFraction = 0.3f,
        });
        Assert.That(engine.BackendName, Does.StartWith("cpu/"));
        Assert.That(engine.Notices[0], Is.EqualTo(
            $"backend auto: the CPU. {path} is no image of a kernel: it is cut off"));
        Assert.That(engine.Notices[1], Does.StartWith("gemm cublaslt has no effect"));
        Assert.That(engine.Notices[2], Does.StartWith("prefill_sm_fraction 0.3 has no effect"));
    }

    [TestCase("cpu:0")]
    [TestCase("cuda:0,cuda:0")]
    [TestCase("cuda:x")]
    public void A_list_of_devices_that_cannot_be_is_refused(string devices)
    {
        StandIn.Reset();
        OptionsException refused = Assert.ThrowsAsync<OptionsException>(
            () => Engine.StartAsync(Options with { Devices = devices }))!;
        Assert.That(refused.Message, Does.Contain("devices"));
    }

    [Test]
    public void Int8_is_refused()
    {
        StandIn.Reset(megabytes: 256);
        Assert.That(
            Refusal(Options with { Quantization = Quantization.W8A8Int8 }).Message, Does.Contain("int8"));
    }

    [Test]
    public void Ranks_on_gpus_that_do_not_reach_each_other_need_nccl()
    {
        StandIn.Reset(megabytes: 256);
        StandIn.SetPeers(false);
        EngineOptions wide = CudaTestDevice.On(
            PdRig.Options("1Rx2", DisaggregateMode.Auto, KvDomainKind.Host) with { MaxTotalTokens = 2048 });
        Assert.That(
            Refusal(wide with { NcclLibrary = "no-such/libnccl.so.2" }).Message,
            Does.Contain("cannot reach").And.Contain("no-such/libnccl.so.2: there is no such file")
                .And.Contain("tp_size"));
        try
        {
            LibraryStandIns.SetNccl(version: 20000);
            Assert.That(
                Refusal(wide with { NcclLibrary = LibraryStandIns.Nccl }).Message,
                Does.Contain("NCCL 2.0.0").And.Contain("2.17.0 or newer"));
        }
        finally
        {
            LibraryStandIns.SetNccl();
        }
    }

    [Test]
    public async Task Auto_takes_a_gpu_or_says_why_not()
    {
        StandIn.Reset(megabytes: 256);
        EngineOptions options = Options with { Backend = BackendKind.Auto };
        await using (Engine engine = await Engine.StartAsync(options))
        {
            Assert.That(engine.BackendName, Is.EqualTo("cuda/sm_90"));
            Assert.That(engine.Notices[0], Does.Contain("auto").And.Contain("cuda:0 (stand-in 0, sm_90a)"));
        }
        StandIn.SetCapability(75);
        await using (Engine engine = await Engine.StartAsync(options))
        {
            Assert.That(engine.BackendName, Does.StartWith("cpu/"));
            Assert.That(engine.Notices[0], Does.Contain("auto: the CPU").And.Contain("7.5"));
        }
    }

    [Test]
    public async Task A_fault_of_the_gpu_ends_requests_with_its_words(
        [Values("launch", "copy", "lost")] string fault)
    {
        StandIn.Reset(megabytes: 256);
        await using Engine engine = await Engine.StartAsync(Options);
        if (fault == "lost")
            StandIn.LoseDevice(0);
        else
            StandIn.Fail(fault == "launch" ? StandIn.Launch : StandIn.Copy, after: 3);
        Generation[] ended = await Task.WhenAll(
            EngineRig.Requests(3, seed: 2).Select(request => engine.GenerateAsync(request)));
        foreach (Generation one in ended)
            Assert.That(one.Error?.ToString(), Does.Contain("GPU 0"), fault);
    }

    [Test]
    public async Task A_lost_gpu_leaves_the_others_serving()
    {
        StandIn.Reset(megabytes: 256);
        EngineOptions options = CudaTestDevice.On(
            PdRig.Options("2R", DisaggregateMode.Auto, KvDomainKind.Host) with { MaxTotalTokens = 2048 });
        await using Engine engine = await Engine.StartAsync(options);
        StandIn.LoseDevice(1);
        GenerateRequest[] requests = EngineRig.Requests(6, seed: 3);
        Generation[] ended = await Task.WhenAll(requests.Select(request => engine.GenerateAsync(request)));
        Assert.That(ended.Count(one => one.Error is null), Is.GreaterThan(0));
        foreach (Generation one in ended.Where(one => one.Error is not null))
            Assert.That(one.Error!.ToString(), Does.Contain("GPU 1"));
    }

    private static BackendException Refusal(EngineOptions options) =>
        Assert.ThrowsAsync<BackendException>(() => Engine.StartAsync(options))!;
}
