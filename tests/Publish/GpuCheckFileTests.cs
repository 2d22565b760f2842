namespace PdEngine.Tests;

/// <summary>The one file that <c>bench/gpu-check publish</c> gives, which travels to a GPU.</summary>
[Category("Publish"), NonParallelizable]
public sealed class GpuCheckFileTests
{
    private const long MostBytes = 32 << 20;

    [Test]
    public void It_is_one_small_file_that_needs_nothing_and_says_where_there_is_no_driver()
    {
        string folder = Directory.CreateTempSubdirectory("gpu-check-published").FullName;
        try
        {
            PdEngineRun publish = PublishedFile.Run("dotnet", "publish", "bench/GpuCheck", "-c", "Release",
                "-v", "q", "--nologo", "-p:UseSharedCompilation=false", "-o", folder);
            PublishedFile.SkipWhereNothingCanBeRestored(publish);
            Assert.That(publish.ExitCode, Is.Zero, publish.Out + publish.Error);
            string[] files = Directory.GetFiles(folder, "*", SearchOption.AllDirectories);
            Assert.That(files.Select(Path.GetFileName), Is.EqualTo(new[] { "gpu-check" }));
            Assert.That(new FileInfo(files[0]).Length, Is.LessThanOrEqualTo(MostBytes));
            Assert.That(PublishedFile.Run("env", "-i", files[0], "--help").Out, Does.Contain("verify"));
            PdEngineRun bare = PublishedFile.Run(
                "env", "-i", files[0], "all", "--out", folder, "--driver", "/nowhere/libcuda.so.1");
            Assert.That(bare.ExitCode, Is.EqualTo(2), bare.Out + bare.Error);
            Assert.That(bare.Error, Does.Contain("The CUDA driver was not found"));
            PdEngineRun toy = PublishedFile.Run(
                "env", "-i", "PD_STANDIN_DEVICES=1", files[0], "all", "--toy", "--no-peers", "--out", folder,
                "--driver", StandIn.Path);
            Assert.That(toy.ExitCode, Is.Zero, toy.Out + toy.Error);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
