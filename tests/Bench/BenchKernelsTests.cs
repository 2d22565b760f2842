using System.Text.Json;
using System.Xml.Linq;

namespace PdEngine.Tests;

/// <summary><c>pdengine bench kernels</c> from flags to figures and chart.</summary>
public sealed class BenchKernelsTests
{
    [Test]
    public async Task Quick_measures_every_op_and_draws_a_point_a_row()
    {
        string svg = Path.Combine(TestFiles.Scratch(), "roofline.svg");
        int[] threads = Environment.ProcessorCount > 1 ? [1, 2] : [1];
        (PdEngineRun run, JsonElement[] rows) = await BenchRows.RunAsync(
            "kernels", "--quick", "--isa", "avx2", "--threads", string.Join(',', threads), "--svg", svg);
        string[] ops = [.. rows.Select(row => row.GetProperty("op").GetString()!).Distinct()];
        Assert.That(ops, Is.EquivalentTo(new[]
            { "matmul", "attention", "rms_norm", "rope_append", "embed", "sample" }));
        foreach (JsonElement row in rows)
        {
            BenchRows.AssertMeasured(row);
            Assert.That(run.Out, Does.Contain(row.GetProperty("row").GetString()!));
        }
        Assert.That(rows.Select(row => row.GetProperty("phase").GetString()).Distinct(),
            Is.EquivalentTo(new[] { "prefill", "decode" }));
        Assert.That(rows.Select(row => row.GetProperty("threads").GetInt32()).Distinct(),
            Is.EqualTo(threads));
        XElement chart = XDocument.Load(svg).Root!;
        Assert.That(chart.Name.LocalName, Is.EqualTo("svg"));
        XElement[] points =
            [.. chart.Elements().Where(element => (string?)element.Attribute("class") == "point")];
        Assert.That(points, Has.Length.EqualTo(rows.Length));
        foreach (XElement point in points)
            AssertInside(chart, point);
        string[] texts = [.. chart.Elements().Where(e => e.Name.LocalName == "text").Select(e => e.Value)];
        Assert.That(texts.Count(text => text.StartsWith("reads ", StringComparison.Ordinal)), Is.EqualTo(2),
            "each panel names its roofs");
        Assert.That(texts, Does.Contain("avx2, 1 thread, bf16"));
        Assert.That(texts, Does.Contain("avx2, 2 threads, bf16"));
    }

    [Test]
    public async Task Flags_narrow_the_sweep()
    {
        (_, JsonElement[] rows) = await BenchRows.RunAsync(
            "kernels", "--quick", "--op", "attention", "--heads", "6/2/16", "--isa", "avx2", "--threads", "1",
            "--batches", "2", "--contexts", "32", "--rows", "80");
        Assert.That(
            rows.Select(row => (row.GetProperty("phase").GetString(), BenchRows.Of(row, "batch"),
                BenchRows.Of(row, "tokens"), BenchRows.Of(row, "context"))),
            Is.EqualTo(new[] { ("decode", 2.0, 2.0, 32.0), ("prefill", 1, 80, 0), ("prefill", 1, 32, 32) }));
    }

    [TestCase("--op sort", "--op", "'sort'", "matmul")]
    [TestCase("--shape huge", "--shape", "'huge'", "tiny")]
    [TestCase("--heads 16/3/64", "--heads", "'16/3/64'", "multiple")]
    [TestCase("--heads 16/8", "--heads", "QUERY_HEADS")]
    [TestCase("--rows 0", "--rows", "0", "1 to")]
    [TestCase("--rows one", "--rows", "'one'")]
    [TestCase("--batches 257", "--batches", "256")]
    [TestCase("--contexts 1,", "--contexts", "''")]
    [TestCase("--isa avx1024", "--isa", "'avx1024'", "avx512-bf16")]
    [TestCase("--threads 0", "--threads", "1 to 1024")]
    [TestCase("--dtype int4", "--dtype", "'int4'")]
    [TestCase("--svg /nowhere/at/all", "--svg", "/nowhere/at")]
    [TestCase("--json /tmp", "--json", "/tmp")]
    public async Task Bad_flags_end_with_one_message_and_exit_code_2(string flags, params string[] parts)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(
            ["bench", "kernels", "--quick", .. flags.Split(' ')]);
        run.AssertRefused(parts);
    }

    [Test]
    public async Task More_threads_than_cores_are_refused()
    {
        int cores = Environment.ProcessorCount;
        PdEngineRun run = await PdEngineRun.HereAsync(
            "bench", "kernels", "--quick", "--op", "rms_norm", "--threads", $"1,{cores + 1}");
        run.AssertRefused("--threads", $"{cores + 1} are more", $"{cores} cores");
    }

    private static void AssertInside(XElement chart, XElement point)
    {
        string axis = point.Name.LocalName == "circle" ? "c" : "";
        double x = (double)point.Attribute(axis + "x")!, y = (double)point.Attribute(axis + "y")!;
        Assert.That(x, Is.InRange(0, (double)chart.Attribute("width")!));
        Assert.That(y, Is.InRange(0, (double)chart.Attribute("height")!));
    }
}
