using PdEngine;
using PdEngine.Interop;

const string usage = """
    Builds the images of the CUDA kernels that changed, and their manifest; and those of the candidates.
      dotnet run --project kernels/cuda/images/build -- [FOLDER] [--nvrtc FILE]
    FOLDER is kernels/cuda/images where none is named; candidates are beside it, where that folder is. FILE
    is a libnvrtc.so.12; where none is named, that of artifacts/nvrtc, which
    kernels/cuda/images/build/fetch-nvrtc.sh fills, else the system's.
    """;

string folder = "kernels/cuda/images";
const string fetched = "artifacts/nvrtc/libnvrtc.so.12";
string? library = File.Exists(fetched) ? fetched : null;
for (int i = 0; i < args.Length; i++)
{
    if (args[i] == "--nvrtc" && i + 1 < args.Length)
        library = args[++i];
    else if (!args[i].StartsWith('-'))
        folder = args[i];
    else
        return Refuse(usage);
}
if (!Directory.Exists(folder))
    return Refuse($"There is no folder {folder}; run this in the repository's root, or name one.");
try
{
    Nvrtc compiler = Nvrtc.Open(library);
    ImageFolder.Build(folder, ImageSet.Kernels, compiler, Console.WriteLine);
    string candidates = Path.Combine(folder, "..", "candidates");
    if (Directory.Exists(candidates))
        ImageFolder.Build(candidates, ImageSet.Candidates, compiler, Console.WriteLine);
    return 0;
}
catch (CudaException refused)
{
    return Refuse(refused.Message);
}

static int Refuse(string why)
{
    Console.Error.WriteLine(why);
    return 1;
}
