using System.Text.Json;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>What gpu-check makes of images of kernels in a folder: all rows take them, whole ones.</summary>
[Category("Cuda")]
public sealed class GpuCheckImageTests
{
    private const string Candidate = "gemm_wgmma.cubin.br";

    private string _out = null!;
    private string _images = null!;

    [SetUp]
    public void MakeFolders()
    {
        StandIn.Reset(deviceCount: 1, megabytes: 256);
        _out = Directory.CreateTempSubdirectory("gpu-check-report").FullName;
        _images = Directory.CreateTempSubdirectory("gpu-check-images").FullName;
        Directory.CreateDirectory(Path.Combine(_images, "sm_90a"));
    }

    [TearDown]
    public void RemoveFolders()
    {
        Directory.Delete(_out, recursive: true);
        Directory.Delete(_images, recursive: true);
    }

    [Test]
    public void Engines_of_rows_take_the_images_that_were_named()
    {
        Put("embed.cubin.br", Shipped("images", "embed.cubin.br"));
        using CheckRig rig = CheckRig.Open(Settings("", _images));
        using DeviceSet devices = Backends.OpenFor(rig.EngineOn("none", 2), 2, [], isInt8: false);
        Assert.That(devices.Notice, Does.Contain($"1 images of {_images}"));
    }

    [Test]
    public void The_program_under_the_sanitizer_takes_the_same_kernels()
    {
        CheckSettings settings = Settings("", _images);
        CheckSettings other = GpuCheckProgram.Parse(
            [.. SanitizerTrials.ArgumentsOf(settings, "elsewhere")], null)!;
        Assert.That(
            (other.ImagesFolder, other.DriverPath, other.OutFolder),
            Is.EqualTo((_images, StandIn.Path, "elsewhere")));
    }

    [Test]
    public void A_damaged_candidate_is_a_row_that_failed()
    {
        byte[] whole = Shipped("candidates", Candidate);
        Put(Candidate, whole[..(whole.Length / 2)]);
        (int code, string text) = Run("3x96x33/4", _images);
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Failed), text);
        Assert.That(text, Does.Contain(Path.Combine(_images, "sm_90a", Candidate)).And.Contain("cut off"));
        Assert.That(Rows().Select(row => row.GetProperty("status").GetString()), Does.Contain("failed"));
    }

    [Test]
    public void Another_candidate_begins_another_report()
    {
        Run("/embed", null);
        int before = Rows().Length;
        Put(Candidate, [.. Shipped("candidates", Candidate), 0]);
        (int code, string text) = Run("/rms_norm 1x64", _images);
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(before, Is.Positive);
        Assert.That(Rows().Select(row => row.GetProperty("row").GetString()), Has.All.Contain("rms_norm"));
        Assert.That(text, Does.Contain("of another candidate").And.Contain("gpu-check.old-1.json"));
    }

    [Test]
    public void The_same_candidate_goes_on()
    {
        Run("/embed", null);
        Put(Candidate, Shipped("candidates", Candidate));
        (int code, string text) = Run("/rms_norm 1x64", _images);
        Assert.That(code, Is.EqualTo(GpuCheckProgram.Fine), text);
        Assert.That(Rows().Select(row => row.GetProperty("row").GetString()), Has.Some.Contain("/embed"));
    }

    private void Put(string name, byte[] content) =>
        File.WriteAllBytes(Path.Combine(_images, "sm_90a", name), content);

    private static byte[] Shipped(string kind, string name) =>
        File.ReadAllBytes(Path.Combine(TestFiles.Root, "kernels", "cuda", kind, "sm_90a", name));

    private (int Code, string Text) Run(string only, string? images)
    {
        using StringWriter text = new();
        int code = GpuCheckProgram.Run(Settings(only, images), text, text);
        return (code, text.ToString());
    }

    private CheckSettings Settings(string only, string? images) => new()
    {
        Stages = ["verify"], OutFolder = _out, DriverPath = StandIn.Path, RunsPeers = false, Only = only,
        Scale = CheckScale.Toy, Time = TimeSpan.FromHours(2), CublasPath = LibraryStandIns.Cublas,
        NcclPath = LibraryStandIns.Nccl, ImagesFolder = images,
    };

    private JsonElement[] Rows()
    {
        using JsonDocument report = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(_out, CheckJournal.FileName)));
        return [.. report.RootElement.Clone().GetProperty("rows").EnumerateArray()];
    }
}
