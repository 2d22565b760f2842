using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

public sealed class DoctorTests
{
    [Test]
    public async Task It_says_which_instruction_set_is_taken_and_where_the_kernels_are()
    {
        RequireKernels();
        PdEngineRun run = await PdEngineRun.HereAsync("doctor", "--quick");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        string taken = CpuIsaSupport.NameOf(CpuIsaSupport.Resolve(CpuIsa.Auto));
        Assert.That(run.Out, Does.Contain($"{taken,-12} yes (auto)").And.Contain("libpd_cpu.so")
            .And.Not.Contain("GB/s"));
    }

    [Test]
    public async Task Its_json_has_limits_and_every_instruction_set()
    {
        RequireKernels();
        PdEngineRun run = await PdEngineRun.HereAsync("doctor", "--json", "--cuda-driver", "none.so");
        JsonElement said = PdEngineRun.Json(run.Out);
        Assert.That(said.GetProperty("can_compute").GetBoolean());
        Assert.That(said.GetProperty("limits").GetProperty("read_gbps").GetDouble(), Is.Positive);
        Assert.That(
            said.GetProperty("isas").EnumerateArray().Select(isa => isa.GetProperty("name").GetString()),
            Is.EqualTo(new[] { "avx2", "avx512", "avx512-bf16", "amx" }));
        Assert.That(said.GetProperty("cuda").GetProperty("why_none").GetString(), Does.Contain("none.so"));
        Assert.That(said.GetProperty("host").GetProperty("free_bytes").GetInt64(), Is.Positive);
    }

    [Test]
    public void A_system_that_is_short_of_something_is_told_what_to_do()
    {
        Diagnosis poor = Diagnosis.Make(null, 0) with
        {
            AutoIsa = null, Isas = [new("avx2", "the CPU has none"), new("amx", "the kernel refuses it")],
            Cuda = new(null, "no driver", [], []),
            Host = HostFacts.Read() with
            {
                HugePages = "never", OpenFiles = 1024, HasOpenSsl = false,
                CpuFlags = new HashSet<string> { "amx_tile" },
            },
        };
        Assert.That(poor.CanCompute, Is.False);
        Assert.That(poor.Findings[0].IsFatal);
        string all = string.Join("\n", poor.Findings.Select(finding => $"{finding.What} {finding.Remedy}"));
        foreach (string word in (string[])["avx2", "amx", "madvise", "LimitNOFILE", "libssl3", "no driver"])
            Assert.That(all, Does.Contain(word).IgnoreCase);
    }

    [Test]
    public void What_a_system_does_not_say_is_unknown()
    {
        string empty = Directory.CreateTempSubdirectory("pdengine-doctor").FullName;
        HostFacts facts = HostFacts.Read(empty);
        Directory.Delete(empty);
        Assert.That((facts.Cpu, facts.OnlineCores, facts.MemoryBytes, facts.HugePages, facts.OpenFiles),
            Is.EqualTo(((string?)null, (int?)null, (long?)null, (string?)null, (long?)null)));
        Assert.That(HostFacts.Chosen("always [madvise] never"), Is.EqualTo("madvise"));
    }

    [Test]
    public void Kernels_that_the_binary_carries_are_inside_it()
    {
        string[] maps = ["7f00-7f01 r-xp 00000000 00:01 12    /memfd:libpd_cpu.so (deleted)"];
        string? mapped = HostFacts.Mapped(maps, "libpd_cpu.so");
        Assert.That(HostFacts.PlaceOf(mapped), Is.EqualTo("inside the binary"));
        Assert.That(HostFacts.PlaceOf("/opt/libpd_cpu.so"), Is.EqualTo("/opt/libpd_cpu.so"));
    }

    private static void RequireKernels()
    {
        if (CpuIsaSupport.WhyNot(CpuIsa.Auto) is { } reason)
            Assert.Ignore(reason);
    }
}
