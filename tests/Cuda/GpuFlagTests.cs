namespace PdEngine.Tests;

/// <summary>What the command line says of GPUs that it takes, leaves or has no use for.</summary>
[Category("Cuda")]
[NonParallelizable]
[CancelAfter(60_000)]
public sealed class GpuFlagTests
{
    [TestCase("--devices", "cuda:0")]
    [TestCase("--gemm", "cublaslt")]
    [TestCase("--prefill-sm-fraction", "0.5")]
    [TestCase("--cuda-driver", "libcuda.so.1")]
    [TestCase("--nccl-library", "libnccl.so.2")]
    [TestCase("--cublaslt-library", "libcublasLt.so.12")]
    public async Task The_cpu_refuses_flags_of_gpus(string flag, string value)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(PdEngineRun.Tiny(
            "generate", "Hi", "--backend", "cpu", flag, value));
        run.AssertRefused(flag, "GPU", "does not use");
    }

    [Test]
    public async Task Auto_says_in_one_line_why_it_took_the_cpu([Values] bool sharesCores)
    {
        string[] plan = sharesCores
            ? ["--rollout-num-gpus", $"{Environment.ProcessorCount + 1}"]
            : [];
        PdEngineRun run = await PdEngineRun.HereAsync(PdEngineRun.Tiny(
            ["generate", "Hi", "--max-new-tokens", "2", "--cuda-driver", "no-such/libcuda.so.1", .. plan]));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        string[] why = [.. run.Error.Split('\n').Where(line => line.Contains("backend auto"))];
        Assert.That(why, Has.Length.EqualTo(1), run.Error);
        Assert.That(why[0], Does.StartWith("backend auto: the CPU. The CUDA driver was not found"));
        Assert.That(why[0].Contains("share"), Is.EqualTo(sharesCores), run.Error);
    }

    [Test]
    public async Task Gpus_share_no_cores()
    {
        StandIn.Reset(deviceCount: 2, megabytes: 256);
        PdEngineRun run = await PdEngineRun.HereAsync(PdEngineRun.Tiny(
            "generate", "Hi", "--max-new-tokens", "2", "--cuda-driver", StandIn.Path,
            "--rollout-num-gpus", $"{Environment.ProcessorCount + 1}"));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("backend auto: cuda:0").And.Not.Contain("cores"));
    }
}
