namespace PdEngine.Tests;

/// <summary>The packages, as a program takes them that knows nothing of this repository.</summary>
[Category("Publish"), NonParallelizable]
public sealed class PackageTests
{
    private const string Version = "0.1.0-test";

    private const string Program = """
        using Microsoft.Extensions.AI;
        using PdEngine;

        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddPdEngine(settings =>
        {
            settings.ModelPath = args[0];
            settings.MaxTotalTokens = 4096;
            settings.Backend = BackendKind.Cpu;
        });
        await using WebApplication app = builder.Build();
        IChatClient chat = app.Services.GetRequiredService<IChatClient>();
        Console.WriteLine(await chat.GetResponseAsync("12+7=", new ChatOptions { Temperature = 0 }));
        """;

    private const string Project = """
        <Project Sdk="Microsoft.NET.Sdk.Web">
          <PropertyGroup>
            <TargetFramework>net10.0</TargetFramework>
            <ImplicitUsings>enable</ImplicitUsings>
            <NuGetAudit>false</NuGetAudit>
            <RestoreAdditionalProjectSources>packages</RestoreAdditionalProjectSources>
            <RestorePackagesPath>restored</RestorePackagesPath>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="PdEngine.Extensions" Version="0.1.0-test" />
          </ItemGroup>
        </Project>
        """;

    [Test]
    public void A_program_that_takes_the_package_from_a_folder_generates()
    {
        if (CpuIsaSupport.WhyNot(CpuIsa.Auto) is { } reason)
            Assert.Ignore(reason);
        string folder = Directory.CreateTempSubdirectory("pdengine-package").FullName;
        try
        {
            foreach (string project in (string[])["interop", "engine/PdEngine", "engine/PdEngine.Extensions"])
            {
                Build("pack", project, "-c", "Release", "--no-build", $"-p:Version={Version}",
                    "-o", Path.Combine(folder, "packages"));
            }
            File.WriteAllText(Path.Combine(folder, "Scratch.csproj"), Project);
            File.WriteAllText(Path.Combine(folder, "Program.cs"), Program);
            Build("build", folder, "-c", "Release", "-o", Path.Combine(folder, "out"));
            PdEngineRun run = PublishedFile.Run(Path.Combine(folder, "out", "Scratch"),
                Path.Combine(TestFiles.Root, "models", "pd-tiny"));
            Assert.That((run.ExitCode, run.Out), Is.EqualTo((0, "19\n")), run.Error);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static void Build(params string[] arguments)
    {
        PdEngineRun run = PublishedFile.Run("dotnet",
            [.. arguments, "-v", "q", "--nologo", "-p:UseSharedCompilation=false"]);
        PublishedFile.SkipWhereNothingCanBeRestored(run);
        Assert.That(run.ExitCode, Is.Zero, run.Out + run.Error);
    }
}
