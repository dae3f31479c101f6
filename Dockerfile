# Training, reports and data on a CPU, or on a GPU where the container runtime lends one. The build needs the package
# index alone. Without a C++ compiler, runs are not compiled; without OpenGL, `bench video` films only what draws itself.
#
#   docker build -t awac-bench .
#   docker run --rm -v "$PWD:/bench" awac-bench run --algo awac --env point-reach
FROM python:3.11-slim
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY pyproject.toml constraints.txt README.md LICENSE /source/
COPY algos /source/algos
COPY disk /source/disk
COPY envs /source/envs
COPY reports /source/reports
COPY suite /source/suite
RUN pip install -c /source/constraints.txt "/source[box2d,export,hub,tune]" && rm -r /source
WORKDIR /bench
ENV HOME=/bench/.home
ENTRYPOINT ["bench"]
